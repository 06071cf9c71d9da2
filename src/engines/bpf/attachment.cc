#include "engines/bpf/attachment.h"

#include <bpf/bpf.h>
#include <fmt/format.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <set>

#include "base/fd.h"
#include "engines/bpf/tc_filter.h"
#include "net/linux_version.h"

namespace hairpin::bpf {
namespace {

namespace fs = std::filesystem;

// Names of pins, followed by the index of the device. A filter cannot be pinned, so its program is, in its name.
constexpr std::string_view link_prefix = "link_";
constexpr std::string_view filter_prefix = "filter_";
constexpr std::string_view name_of(Hook hook) {
    switch (hook) {
        case Hook::arrives:
            return "in_";
        case Hook::leaves:
            return "out_";
        case Hook::driver:
            return "driver_";
    }
    return {};
}

bool has_tcx() {
    static const bool has = linux_version() >= std::pair(6, 6);
    return has;
}

std::string prefix_of(Hook hook) {
    return fmt::format("{}{}", hook == Hook::driver || has_tcx() ? link_prefix : filter_prefix, name_of(hook));
}

constexpr auto tcx_ingress = static_cast<bpf_attach_type>(46);  // which Linux 6.1's headers lack
constexpr auto tcx_egress = static_cast<bpf_attach_type>(47);

int make_link(Hook hook, int program, int device) {
    if (hook != Hook::driver) {
        return ::bpf_link_create(program, device, hook == Hook::arrives ? tcx_ingress : tcx_egress, nullptr);
    }
    bpf_link_create_opts in_driver{};
    in_driver.sz = sizeof in_driver;
    in_driver.flags = XDP_FLAGS_DRV_MODE;
    return ::bpf_link_create(program, device, BPF_XDP, &in_driver);
}

fs::path pin_of(Hook hook, const fs::path& folder, int index) {
    return folder / fmt::format("{}{}", prefix_of(hook), index);
}

Result<> attach_filter(Hook hook, int program, const Link& link, const fs::path& pin) {
    const auto put = put_filter(link.index, hook == Hook::arrives ? Direction::in : Direction::out, program);
    if (!put) return put.error().within(link.name);
    ::unlink(pin.c_str());
    return ::bpf_obj_pin(program, pin.c_str()) == 0 ? Result<>() : system_error(pin.string());
}

Result<> attach_one(Hook hook, int program, const Link& link, const fs::path& pin) {
    if (hook != Hook::driver && !has_tcx()) return attach_filter(hook, program, link, pin);
    const Fd there(::bpf_obj_get(pin.c_str()));
    if (there && device_of(pin) != 0) {
        if (::bpf_link_update(there.get(), program, nullptr) == 0) return {};
        return system_error(fmt::format("replacing the program on {}", link.name));
    }
    if (there) ::unlink(pin.c_str());
    const Fd made(make_link(hook, program, link.index));
    if (!made && errno == ENODEV) return {};  // it has just gone
    if (!made) return system_error(fmt::format("attaching to {}", link.name));
    if (::bpf_obj_pin(made.get(), pin.c_str()) != 0) return system_error(pin.string());
    return {};
}

void detach_others(Hook hook, const std::set<fs::path>& wanted, const fs::path& folder) {
    std::vector<fs::path> stale;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder, error)) {
        if (entry.path().filename().string().starts_with(prefix_of(hook)) && !wanted.contains(entry.path()))
            stale.push_back(entry.path());
    }
    for (const fs::path& pin : stale) detach(pin);
}

}  // namespace

void detach(const fs::path& pin) {
    const std::string name = pin.filename().string();
    if (name.starts_with(filter_prefix)) {
        const int link = std::atoi(name.c_str() + name.rfind('_') + 1);
        remove_filter(link, name.find(name_of(Hook::arrives)) != name.npos ? Direction::in : Direction::out);
    } else if (const Fd link(::bpf_obj_get(pin.c_str())); link) {
        // The kernel lets go of a link some time after its pin, but detaches it at once.
        (void)::bpf_link_detach(link.get());
    }
    ::unlink(pin.c_str());
}

bool is_attachment(const fs::path& pin) {
    const std::string name = pin.filename().string();
    return name.starts_with(link_prefix) || name.starts_with(filter_prefix);
}

std::optional<uint32_t> device_of(const fs::path& pin) {
    if (pin.filename().string().starts_with(filter_prefix)) return {};
    const Fd link(::bpf_obj_get(pin.c_str()));
    bpf_link_info info{};
    uint32_t size = sizeof info;
    if (!link || ::bpf_obj_get_info_by_fd(link.get(), &info, &size) != 0) return {};
    return info.xdp.ifindex;  // where a TCX link has it, too; Linux 6.1's headers lack that one
}

Result<> attach(Hook hook, int program, const std::vector<Link>& links, const fs::path& folder) {
    std::set<fs::path> wanted;
    for (const Link& link : links) {
        const fs::path pin = pin_of(hook, folder, link.index);
        if (auto attached = attach_one(hook, program, link, pin); !attached) return attached;
        wanted.insert(pin);
    }
    detach_others(hook, wanted, folder);
    return {};
}

std::map<std::string, std::string> attach_to_drivers(int program, const std::vector<Link>& links,
                                                     const fs::path& folder) {
    std::map<std::string, std::string> obstacles;
    std::set<fs::path> taken;
    for (const Link& link : links) {
        const fs::path pin = pin_of(Hook::driver, folder, link.index);
        if (auto attached = attach_one(Hook::driver, program, link, pin); !attached) {
            obstacles.emplace(link.name, attached.error().message);
        } else {
            taken.insert(pin);
        }
    }
    detach_others(Hook::driver, taken, folder);
    return obstacles;
}

void detach(Hook hook, const fs::path& folder) { detach_others(hook, {}, folder); }

bool is_attached(Hook hook, const fs::path& folder) {
    std::error_code error;
    return std::ranges::any_of(fs::directory_iterator(folder, error), [&](const fs::directory_entry& entry) {
        return entry.path().filename().string().starts_with(prefix_of(hook));
    });
}

std::vector<Link> ethernet_links(const std::vector<Link>& links) {
    std::vector<Link> found;
    const Fd any(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    for (const Link& link : links) {
        if (link.master != 0) continue;
        ifreq request{};
        link.name.copy(request.ifr_name, IFNAMSIZ - 1);
        if (::ioctl(any.get(), SIOCGIFHWADDR, &request) != 0) continue;
        const auto type = request.ifr_hwaddr.sa_family;
        if (type == ARPHRD_ETHER || type == ARPHRD_LOOPBACK) found.push_back(link);
    }
    return found;
}

}  // namespace hairpin::bpf
