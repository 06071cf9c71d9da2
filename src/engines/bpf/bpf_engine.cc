#include "engines/bpf/bpf_engine.h"

// Theory of operation.
//
// What the kernel holds is the state: maps and links, pinned. They serve with or without us, so a daemon that was
// killed loses nothing, and the next one takes over what it finds. It loads its own program, which uses those same
// maps, and puts it in the place of the one before, without a packet passing in between.
//
// A change writes what is new beside what is there, then endpoints, one after the other, then takes away what nothing
// refers to any more. A packet sees an endpoint as it was or as it is.
//
// Flows belong to the kernel's half. We list them, and sweep those that have rested.

#include <fmt/format.h>
#include <net/if.h>

#include <map>
#include <optional>

#include "engines/bpf/attachment.h"
#include "engines/bpf/came.h"
#include "engines/bpf/clock.h"
#include "engines/bpf/convert.h"
#include "engines/bpf/drivers.h"
#include "engines/bpf/kernel.h"
#include "engines/bpf/pins.h"
#include "engines/bpf/rates.h"
#include "engines/bpf/service_slots.h"
#include "engines/bpf/settings.h"
#include "engines/bpf/settle.h"
#include "engines/bpf/shortages.h"
#include "engines/bpf/sweeper.h"
#include "engines/forwarding.h"
#include "engines/free_ports.h"
#include "engines/packets.h"
#include "engines/settings_watch.h"
#include "model/admission.h"
#include "net/listening_ports.h"
#include "net/namespace_lock.h"
#include "net/sysctl.h"

namespace hairpin {
namespace bpf {
namespace {

constexpr std::string_view accept_local = "net.ipv4.conf.lo.accept_local";

// The ports that the gateway's own clients get: the kernel does not know which of them translated flows have.
void add_clients_ports(std::vector<uint16_t>& ports) {
    const auto range = read_sysctl("net.ipv4.ip_local_port_range");
    unsigned first = 0;
    unsigned last = 0;
    if (!range || std::sscanf(range->c_str(), "%u %u", &first, &last) != 2) return;
    for (unsigned port = first; port <= last && port <= UINT16_MAX; ++port)
        ports.push_back(static_cast<uint16_t>(port));
}

bool has_own_backend(const Desired& desired) {
    return std::ranges::any_of(desired.ruleset.services(), [&](const Service& service) {
        return std::ranges::any_of(service.backends,
                                   [&](const Backend& backend) { return desired.topology.owns(backend.endpoint.ip); });
    });
}

// Where packets of flows that are under way are sent on.
enum class Lane { stack, driver };

class BpfEngine final : public Engine {
public:
    BpfEngine(Lane lane, EngineOptions options) : lane_(lane), options_(std::move(options)) { catch_complaints(); }

    std::string_view name() const override { return lane_ == Lane::driver ? "xdp" : "tc"; }
    Abilities abilities() const override { return packet_abilities; }
    std::vector<Gap> gaps(const Ruleset& ruleset) const override;
    Result<std::vector<std::string>> check(const Desired& desired) override;
    Result<bool> has_traces() override;
    std::optional<pid_t> owner() const override { return lock_.owner(); }
    std::vector<std::string> troubles() const override { return settings_watch_.troubles(); }
    Result<> apply(std::shared_ptr<const Desired> desired) override;
    Result<Stats> stats() override;
    Result<> flows(const std::function<void(const LiveFlow&)>& visit) override;
    Result<uint64_t> end_connections(const std::function<bool(const LiveFlow&)>& which) override;
    Result<> clear() override;
    void tend() override;

private:
    LiveFlow live_flow(const FlowState& flow, uint32_t time) const;
    Result<> take_over();
    Result<> set_sysctls(const Desired& desired);
    void end_stale_udp(const Desired* replaced);

    const Lane lane_;
    const EngineOptions options_;
    NamespaceLock lock_{"hairpin-bpf"};
    std::optional<Kernel> kernel_;
    std::filesystem::path folder_;
    std::optional<Compiler> compiler_;
    Tables tables_;  // what the maps hold
    std::shared_ptr<const Desired> desired_;
    ServiceSlots slots_;
    Came came_;
    Sweeper sweeper_;
    Drivers drivers_;
    LimitWatch limit_watch_{
        [this](const Desired& desired) { return refused_by_rates(kernel_->maps(), desired, slots_); },
        options_.on_event};
    Shortages shortages_{options_.on_event};
    // A lookup of a route asks those of the link, too (bpf_ipv4_fib_lookup, bpf_ipv6_fib_lookup).
    SettingsWatch settings_watch_{
        {options_.set_sysctls,
         [this](const Setting& setting) { return set_until_clear(*kernel_, setting, [](const Event&) {}); },
         {Family::v4, Family::v6},
         {{std::string(accept_local), "IPv4 clients on the gateway itself are not served"}}},
        options_.on_event};
};

std::vector<Gap> BpfEngine::gaps(const Ruleset& ruleset) const {
    auto gaps = packet_gaps(ruleset, "the kernel's half counts the flows of the whole gateway only");
    for (const Service& service : ruleset.services()) {
        for (const Limit limit : {Limit::connections, Limit::connections_per_client}) {
            if (service.limits[limit] == 0) continue;
            gaps.push_back({service.name,
                            fmt::format("limits.{}: this engine counts how many connections begin, not how many live; "
                                        "use engine: proxy or nft",
                                        hairpin::name(limit)),
                            true});
        }
    }
    const auto cut = std::ranges::find_if(ruleset.services(), [](const Service& service) {
        return serves_udp(service) &&
               std::ranges::any_of(service.listen, [](const EndpointRange& listen) { return !listen.ip.is_v4(); });
    });
    if (cut != ruleset.services().end()) {
        gaps.push_back({.service = cut->name,
                        .message = "fragments: a datagram over IPv6 of the gateway's own clients that is larger than "
                                   "the next link takes is lost; use engine: nft",
                        .implied = true});
    }
    return gaps;
}

// Those by which clients may come and that can be served.
std::vector<Link> served_links(const Topology& topology) {
    std::vector<Link> links = ethernet_links(topology.links());
    std::erase_if(links, [](const Link& link) { return link.index >= HP_MOST_LINKS; });
    return links;
}

// All by which clients may come can.
Result<> check_links(const Topology& topology) {
    const auto links = served_links(topology);
    for (const Link& link : topology.links()) {
        if (link.index >= HP_MOST_LINKS) {
            return Error{fmt::format("{} has the index {}: only those below {} can be told apart; use engine: nft",
                                     link.name, link.index, static_cast<int>(HP_MOST_LINKS))};
        }
        if (link.master == 0 && std::ranges::find(links, link) == links.end() && ::if_nametoindex(link.name.c_str())) {
            return Error{fmt::format("{} carries no Ethernet frames: use engine: nft", link.name)};
        }
    }
    return {};
}

Result<std::vector<std::string>> BpfEngine::check(const Desired& desired) {
    if (auto able = check_kernel(); !able) return able.error();
    if (auto served = check_links(desired.topology); !served) return served.error();
    if (auto off = forwarding_off(desired, options_.set_sysctls); !off) return off.error();
    return hindrances();
}

Result<bool> BpfEngine::has_traces() {
    const auto folder = pin_folder();
    if (!folder) return folder.error();
    std::error_code error;
    const bool ours = std::filesystem::exists(*folder, error);
    if (error) return system_error(folder->string(), error.value());
    return ours || !folders_of_other_versions(*folder).empty();
}

Result<> BpfEngine::take_over() {
    const auto folder = pin_folder();
    if (!folder) return folder.error();
    if (auto made = make_pin_folder(*folder); !made) return made;
    auto kernel = Kernel::load(*folder, lane_ == Lane::driver);
    if (!kernel) return kernel.error();
    auto there = read_tables(kernel->maps());
    if (!there) return there.error();
    const auto counts = kernel->maps().counts.all();
    if (!counts) return counts.error();
    slots_ = ServiceSlots(*counts);
    if (auto taken = came_.take_over(kernel->maps()); !taken) return taken;
    for (const auto& old : folders_of_other_versions(*folder)) {
        if (auto inherited = inherit_notes(*kernel, old); !inherited) return inherited;
    }
    compiler_.emplace(first_free_number(*there));
    tables_ = *std::move(there);
    folder_ = *folder;
    kernel_ = *std::move(kernel);
    return {};
}

Result<> BpfEngine::set_sysctls(const Desired& desired) {
    const auto off = forwarding_off(desired, options_.set_sysctls, desired_.get());
    if (!off) return off.error();
    for (const Setting& setting : *off) {
        if (auto set = set_until_clear(*kernel_, setting, options_.on_event); !set) return set;
    }
    const auto value = read_sysctl(accept_local);
    if (!value) return value.error();
    return set_until_clear(*kernel_, {std::string(accept_local), *value}, options_.on_event);
}

Result<> BpfEngine::apply(std::shared_ptr<const Desired> desired) {
    if (auto alone = lock_.take(); !alone) return alone;
    if (!kernel_) {
        if (auto able = check(*desired); !able) return able.error();
        if (auto taken = take_over(); !taken) return taken;
    } else if (auto served = check_links(desired->topology); !served) {  // what was served goes on being served
        options_.on_event(engine_warning(served.error().message + "; its clients are not served"));
    }
    if (auto set = set_sysctls(*desired); !set) return set;
    auto taken = listening_ports();
    if (!taken) return taken.error();
    add_clients_ports(*taken);
    const auto ports = free_ports(desired->ruleset, *taken);
    if (!ports) {
        return Error{
            "no port is left for translated sources: services, local programs and "
            "net.ipv4.ip_local_port_range use them all"};
    }
    if (auto made = slots_.make(kernel_->maps().counts, *desired); !made) return made;
    const auto slot_of = [&](const Service& service) { return slots_.of(service); };
    Tables now = compiler_->compile(*desired, *ports, slot_of);
    for (const auto& [word, bits] : tables_.known) now.known[word] |= bits;  // flows of former ends may live on
    for (auto& [index, link] : now.links) {
        const auto there = tables_.links.find(index);
        if (there != tables_.links.end()) link.takes_frames_until = there->second.takes_frames_until;
    }
    const auto links = served_links(desired->topology);
    // Before what it is for, and for as long as flows may need it: until clear().
    if (has_own_backend(*desired) || is_attached(Hook::leaves, folder_)) {
        if (auto attached = attach(Hook::leaves, kernel_->program(Hook::leaves), links, folder_); !attached) {
            return attached;
        }
    }
    const Maps& maps = kernel_->maps();
    auto done = settle(maps, tables_, now);
    if (done) done = attach(Hook::arrives, kernel_->program(Hook::arrives), links, folder_);
    if (!done) {
        tables_.known = now.known;  // flows may have begun there
        (void)settle(maps, now, tables_);
        return done;
    }
    tables_ = std::move(now);
    const auto replaced = std::exchange(desired_, std::move(desired));
    came_.count(maps, *desired_, slot_of);
    if (!replaced) {
        limit_watch_.begin(*desired_);
        shortages_.tend(maps.counts);
    }
    for (const auto& old : folders_of_other_versions(folder_)) {  // now that its links do nothing any more
        if (auto removed = remove_pins(old); !removed) options_.on_event(engine_warning(removed.error().message));
        options_.on_event(
            engine_warning("live flows of another version of hairpin have ended: its tables have another layout"));
    }
    if (lane_ == Lane::driver) {
        const auto& topology = desired_->topology;
        drivers_.use(*kernel_, tables_.links, served_links(topology), topology, folder_, options_.on_event);
    } else {
        detach(Hook::driver, folder_);
    }
    // What was served before the first change that we make, nobody knows.
    const bool udp = !replaced || std::ranges::any_of(replaced->ruleset.services(), serves_udp) ||
                     std::ranges::any_of(desired_->ruleset.services(), serves_udp);
    if (udp) end_stale_udp(replaced.get());
    return {};
}

// UDP has no connections, so a flow ends with its endpoint, its backend and its rules, and where its client is let in
// no more.
void BpfEngine::end_stale_udp(const Desired* replaced) {
    std::vector<FlowState> stale;
    const auto done = visit_flows(*kernel_, [&](const FlowState& flow) {
        if (flow.protocol() != Protocol::udp) return;
        const auto [protocol, client, asked] = from_wire(flow.asked);
        const auto now = find_asked(desired_->ruleset, desired_->topology, Protocol::udp, asked);
        const auto former =
            replaced ? find_asked(replaced->ruleset, replaced->topology, Protocol::udp, asked) : std::nullopt;
        const bool same =
            now && admits(*now->service, client.ip) && (!former || treats_alike(*former->service, *now->service)) &&
            leads_to(*now->service, *now->listen, asked.port, from_wire(translated(flow.forth)).destination);
        if (!same) stale.push_back(flow);
    });
    const auto time = kernel_->flows().now();
    if (time) {
        for (const FlowState& flow : stale) kernel_->flows().remove_live(flow.asked, flow.forth.began, *time);
    }
    if (!done || !time) options_.on_event(engine_warning((done ? time.error() : done.error()).message));
}

Result<Stats> BpfEngine::stats() {
    if (!desired_) return Stats{};
    std::map<uint32_t, ServiceStats> rows;
    // Flows first: what is shown of a flow is never more than what is counted of it.
    const auto done = visit_flows(*kernel_, [&](const FlowState& flow) {
        ServiceStats& row = rows[flow.forth.service];
        if (!flow.ended()) ++row.active;
        row.bytes_to_backends += flow.forth.bytes;
        row.bytes_to_clients += flow.bytes_to_client();
    });
    if (!done) return done.error();
    const auto counts = kernel_->maps().counts.all();
    if (!counts) return counts.error();
    for (const auto& [slot, count] : *counts) {
        ServiceStats& row = rows[slot];
        row.service = count.name;
        for (size_t i = 0; i < row.accepted.size(); ++i) row.accepted[i] = count.accepted[i];
        for (size_t i = 0; i < std::size(count.refused); ++i) row.refused[i] = count.refused[i];
        row.bytes_to_backends += count.bytes[HP_TO_BACKEND];
        row.bytes_to_clients += count.bytes[HP_TO_CLIENT];
    }
    auto came = came_.tell(kernel_->maps());
    if (!came) return came.error();
    for (auto& [slot, backends] : *came) rows[slot].backends = std::move(backends);
    Stats stats;
    for (const Service& service : desired_->ruleset.services()) {
        const auto row = rows.find(slots_.of(service));
        stats.services.push_back(row != rows.end() ? row->second : ServiceStats{.service = service.name});
        if (row != rows.end()) rows.erase(row);
    }
    for (auto& [slot, row] : rows) {
        if (row.active > 0 && !row.service.empty()) stats.services.push_back(std::move(row));
    }
    return stats;
}

LiveFlow BpfEngine::live_flow(const FlowState& flow, uint32_t time) const {
    return {.service = slots_.name_of(flow.forth.service),
            .path = static_cast<Path>(flow.forth.path),
            .client = from_wire(flow.asked),
            .backend = from_wire(translated(flow.forth)),
            .ended = flow.ended(),
            .answered = flow.answered(),
            .bytes_to_backend = flow.forth.bytes,
            .bytes_to_client = flow.bytes_to_client(),
            .age = std::chrono::duration_cast<std::chrono::milliseconds>(since(flow.forth.began, time))};
}

Result<> BpfEngine::flows(const std::function<void(const LiveFlow&)>& visit) {
    if (!desired_) return {};
    const auto time = kernel_->flows().now();
    if (!time) return time.error();
    return visit_flows(*kernel_, [&](const FlowState& flow) { visit(live_flow(flow, *time)); });
}

// The next packet of a flow that is taken away is reset: by the kernel, to which it passes, or where the client's
// address chooses among others, by one of these.
Result<uint64_t> BpfEngine::end_connections(const std::function<bool(const LiveFlow&)>& which) {
    if (!desired_) return uint64_t{0};
    const auto time = kernel_->flows().now();
    if (!time) return time.error();
    std::vector<FlowState> chosen;
    const auto done = visit_flows(*kernel_, [&](const FlowState& flow) {
        const bool lives = flow.protocol() == Protocol::tcp && !flow.ended();
        if (lives && which(live_flow(flow, *time))) chosen.push_back(flow);
    });
    for (const FlowState& flow : chosen) kernel_->flows().remove_live(flow.asked, flow.forth.began, *time);
    return done ? Result<uint64_t>(chosen.size()) : done.error();
}

void BpfEngine::tend() {
    if (!kernel_) return;
    if (lane_ == Lane::driver) (void)Drivers::vouch(*kernel_, tables_.links);
    sweeper_.sweep(*kernel_, [&](uint32_t slot) { return slots_.rests(slot); });
    if (!desired_) return;
    settings_watch_.tend(desired_);
    limit_watch_.tend(*desired_);
    shortages_.tend(kernel_->maps().counts);
}

Result<> BpfEngine::clear() {
    if (auto alone = lock_.take(); !alone) return alone;
    const auto folder = pin_folder();
    if (!folder) return folder.error();
    std::vector<std::filesystem::path> folders = folders_of_other_versions(*folder);
    folders.push_back(*folder);
    Result<> cleared;
    for (const auto& each : folders) {
        if (auto restored = restore_settings(each); !restored) cleared = restored;
        if (auto removed = remove_pins(each); !removed) cleared = removed;
    }
    kernel_.reset();
    compiler_.reset();
    desired_.reset();
    tables_ = {};
    slots_ = {};
    came_ = {};
    drivers_.forget();
    return cleared;
}

}  // namespace
}  // namespace bpf

std::unique_ptr<Engine> make_tc_engine(EngineOptions options) {
    return std::make_unique<bpf::BpfEngine>(bpf::Lane::stack, std::move(options));
}

std::unique_ptr<Engine> make_xdp_engine(EngineOptions options) {
    return std::make_unique<bpf::BpfEngine>(bpf::Lane::driver, std::move(options));
}

}  // namespace hairpin
