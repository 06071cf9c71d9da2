#include "engines/bpf/kernel.h"

#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <nat_tc.skel.h>
#include <nat_xdp.skel.h>
#include <unistd.h>

#include <cstdio>
#include <ctime>
#include <random>

#include "base/fd.h"
#include "net/linux_version.h"

namespace hairpin::bpf {
namespace {

// What libbpf had to say of a failure. One thread loads.
thread_local std::string complaints;

int complain(libbpf_print_level level, const char* format, va_list arguments) {
    if (level != LIBBPF_WARN) return 0;
    std::array<char, 512> line{};
    const int length = std::vsnprintf(line.data(), line.size(), format, arguments);
    if (length > 0 && complaints.empty()) complaints = line.data();
    return length;
}

Error libbpf_error(std::string_view doing, int error) {
    Error failure = system_error(doing, -error);
    while (complaints.ends_with('\n')) complaints.pop_back();
    if (!complaints.empty()) failure.message += fmt::format(" ({})", complaints);
    return failure;
}

template <class Key, class Value>
KernelMap<Key, Value> typed(const bpf_map* map) {
    return {::bpf_map__fd(map), ::bpf_map__name(map)};
}

Maps maps_of(const nat_tc& skeleton) {
    const auto& maps = skeleton.maps;
    return {.endpoints = typed<hp_asked, hp_endpoint>(maps.hp_endpoints),
            .backends = typed<uint32_t, hp_backend>(maps.hp_backends),
            .choices = typed<uint32_t, hp_choices>(maps.hp_choices_of),
            .own = typed<hp_client, hp_share>(maps.hp_own),
            .rules = typed<uint32_t, hp_rules>(maps.hp_rules_of),
            .networks = typed<hp_network, uint32_t>(maps.hp_networks),
            .guarded = typed<hp_address, uint32_t>(maps.hp_guarded),
            .settings = typed<uint32_t, hp_settings>(maps.hp_settings),
            .links = typed<uint32_t, hp_link>(maps.hp_links),
            .known = typed<uint32_t, uint64_t>(maps.hp_known),
            .counts = typed<uint32_t, hp_counts>(maps.hp_counts),
            .came = typed<hp_place, hp_came>(maps.hp_came_to),
            .hashing = typed<uint32_t, hp_hashing>(maps.hp_hashing),
            .sysctls = typed<hp_sysctl, hp_sysctl>(maps.hp_sysctls)};
}

Result<FlowTable> flows_of(const nat_tc& skeleton) {
    return FlowTable::open({.slots = ::bpf_map__fd(skeleton.maps.hp_slots),
                            .in_use = ::bpf_map__fd(skeleton.maps.hp_in_use),
                            .look_up = ::bpf_program__fd(skeleton.progs.hp_look_up),
                            .take_away = ::bpf_program__fd(skeleton.progs.hp_take_away),
                            .tell_time = ::bpf_program__fd(skeleton.progs.hp_tell_time)},
                           typed<hp_tuple, hp_half>(skeleton.maps.hp_beyond));
}

// Both programs find the same maps by their pins.
Result<> pin_maps(bpf_object* object, const std::filesystem::path& folder) {
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, object) {
        if (::bpf_map__name(map) == std::string_view("hp_drafts") || ::bpf_map__is_internal(map)) continue;
        const auto pin = folder / ::bpf_map__name(map);
        if (const int error = ::bpf_map__set_pin_path(map, pin.c_str())) return libbpf_error(pin.string(), error);
    }
    return {};
}

// As many as those have that are there, for they are taken over.
uint32_t slots_in(const std::filesystem::path& folder) {
    const Fd pinned(::bpf_obj_get((folder / "hp_slots").c_str()));
    bpf_map_info info{};
    uint32_t size = sizeof info;
    if (pinned && ::bpf_obj_get_info_by_fd(pinned.get(), &info, &size) == 0) return info.max_entries;
    return slots_for(static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE)));
}

template <class Skeleton>
void set_slots(Skeleton& skeleton, uint32_t slots) {
    ::bpf_map__set_max_entries(skeleton.maps.hp_slots, slots);
    ::bpf_map__set_max_entries(skeleton.maps.hp_in_use, slots / 64);
}

// What the kernel's tick advances its coarse clocks by.
uint64_t ns_a_jiffy() {
    timespec each{};
    ::clock_getres(CLOCK_MONOTONIC_COARSE, &each);
    return static_cast<uint64_t>(each.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(each.tv_nsec);
}

// Once for a table: what lies in it was hashed so. Secret, so that nobody can fill one corner of it.
Result<> seed(const KernelMap<uint32_t, hp_hashing>& map, uint32_t slots) {
    hp_hashing hashing = map.get(0).value_or(hp_hashing{});
    if (hashing.slots != 0) return {};
    std::random_device random;
    hashing.seed = uint64_t{random()} << 32 | random();
    hashing.slots = slots;
    return map.put(0, hashing);
}

}  // namespace

void Kernel::Destroy::operator()(nat_tc* skeleton) const { nat_tc__destroy(skeleton); }
void Kernel::Destroy::operator()(nat_xdp* skeleton) const { nat_xdp__destroy(skeleton); }

void catch_complaints() { ::libbpf_set_print(complain); }

Result<Kernel> Kernel::load(const std::filesystem::path& folder, bool with_driver) {
    complaints.clear();
    catch_complaints();
    Kernel kernel;
    kernel.tc_.reset(nat_tc__open());
    if (!kernel.tc_) return system_error("opening the BPF program");
    const uint32_t slots = slots_in(folder);
    set_slots(*kernel.tc_, slots);
    kernel.tc_->rodata->hp_ns_a_jiffy = ns_a_jiffy();
    kernel.tc_->rodata->hp_flag_ipv6 = linux_version() >= std::pair(6, 16) ? 1 << 7 : 0;  // BPF_F_IPV6
    if (auto pinned = pin_maps(kernel.tc_->obj, folder); !pinned) return pinned.error();
    if (const int error = nat_tc__load(kernel.tc_.get())) return libbpf_error("loading the BPF program", error);
    kernel.maps_ = maps_of(*kernel.tc_);
    if (auto seeded = seed(kernel.maps_->hashing, slots); !seeded) return seeded.error();
    auto flows = flows_of(*kernel.tc_);
    if (!flows) return flows.error();
    kernel.flows_ = *std::move(flows);
    if (!with_driver) return kernel;
    kernel.xdp_.reset(nat_xdp__open());
    if (!kernel.xdp_) return system_error("opening the XDP program");
    set_slots(*kernel.xdp_, slots);
    kernel.xdp_->rodata->hp_ns_a_jiffy = ns_a_jiffy();
    if (auto pinned = pin_maps(kernel.xdp_->obj, folder); !pinned) return pinned.error();
    if (const int error = nat_xdp__load(kernel.xdp_.get())) return libbpf_error("loading the XDP program", error);
    return kernel;
}

int Kernel::program(Hook hook) const {
    if (hook == Hook::driver) return ::bpf_program__fd(xdp_->progs.hp_in_driver);
    return ::bpf_program__fd(hook == Hook::arrives ? tc_->progs.hp_arrives : tc_->progs.hp_leaves);
}

Result<> check_kernel() {
    if (const auto version = linux_version(); version < std::pair(6, 1)) {
        return Error{fmt::format("Linux 6.1 or later is needed, this is {}.{}", version.first, version.second)};
    }
    // Returns an address. The verifier allows that, and what our programs do with theirs, to CAP_PERFMON only.
    const bpf_insn tells[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 0, .src_reg = 1, .off = 0, .imm = 0},
                              {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};
    const Fd program(::bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "hp_check", "MIT", tells, std::size(tells), nullptr));
    if (program) return {};
    if (errno == EPERM || errno == EACCES) {
        return Error{"loading BPF programs takes the capabilities CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN: run as root"};
    }
    return system_error("loading a BPF program");
}

}  // namespace hairpin::bpf
