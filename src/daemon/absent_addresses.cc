#include "daemon/absent_addresses.h"

#include <fmt/format.h>

#include <algorithm>

namespace hairpin {
namespace {

constexpr size_t most_remarks = 8;

bool is_here(const Ip& ip, const Topology& topology) { return ip.is_unspecified() || topology.owns(ip); }

// As `also` repeats all ports of its service.
bool is_here_elsewhere(const Service& service, PortRange ports, const Topology& topology) {
    const auto by_link = [&](const LinkListen& on) { return on.ports == ports; };
    const auto by_address = [&](const EndpointRange& listen) {
        return listen.ports == ports && is_here(listen.ip, topology);
    };
    return std::ranges::any_of(service.listen_links, by_link) || std::ranges::any_of(service.listen, by_address);
}

}  // namespace

bool is_absent(const Service& service, const EndpointRange& listen, const Topology& topology, Abilities abilities) {
    if (is_here(listen.ip, topology)) return false;
    return !abilities.foreign_source || !is_here_elsewhere(service, listen.ports, topology);
}

std::string absent_text(std::vector<Ip> absent) {
    constexpr size_t most = 8;
    std::ranges::sort(absent);
    absent.erase(std::unique(absent.begin(), absent.end()), absent.end());
    std::vector<std::string> shown;
    for (size_t i = 0; i < std::min(most, absent.size()); ++i) shown.push_back(absent[i].str());
    const size_t hidden = absent.size() - shown.size();
    return fmt::format("no link has the external {} {}{}", absent.size() == 1 ? "address" : "addresses",
                       fmt::join(shown, ", "), hidden > 0 ? fmt::format(" and {} more", hidden) : "");
}

std::vector<std::string> absent_remarks(std::span<const Service> services, const Topology& topology,
                                        Abilities abilities) {
    std::vector<Ip> absent;
    if (!abilities.foreign_source) return {};
    for (const Service& service : services) {
        for (const EndpointRange& listen : service.listen) {
            if (is_absent(service, listen, topology, abilities)) absent.push_back(listen.ip);
        }
    }
    std::ranges::sort(absent);
    absent.erase(std::unique(absent.begin(), absent.end()), absent.end());
    std::vector<std::string> remarks;
    for (size_t i = 0; i < std::min(most_remarks, absent.size()); ++i) {
        remarks.push_back(fmt::format("{}: clients are served there only as far as it is routed to this machine",
                                      absent_text({absent[i]})));
    }
    return remarks;
}

}  // namespace hairpin
