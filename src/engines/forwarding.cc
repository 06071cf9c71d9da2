#include "engines/forwarding.h"

#include <fmt/format.h>

#include "net/sysctl.h"

namespace hairpin {
namespace {

// Some backend of the family that is not the gateway itself, or null.
const Ip* backend_beyond(const Desired& desired, Family family) {
    for (const Service& service : desired.ruleset.services()) {
        for (const Backend& backend : service.backends) {
            const Ip& ip = backend.endpoint.ip;
            if (ip.family() == family && !desired.topology.owns(ip)) return &ip;
        }
    }
    return nullptr;
}

}  // namespace

Result<std::vector<Closed>> closed_settings(const Desired& desired) {
    std::vector<Closed> closed;
    for (const Family family : all_families) {
        const std::string key = family == Family::v4 ? "net.ipv4.ip_forward" : "net.ipv6.conf.all.forwarding";
        const auto value = read_sysctl(key);
        const Ip* beyond = value && *value != "0" ? nullptr : backend_beyond(desired, family);
        if (!beyond) continue;
        if (!value) return value.error();
        closed.push_back({{key, *value}, *beyond});
    }
    return closed;
}

Result<std::vector<Setting>> forwarding_off(const Desired& desired, bool may_set, const Desired* served) {
    const auto closed = closed_settings(desired);
    const bool may_not = !closed || (!may_set && !closed->empty());
    if (may_not && served && !forwarding_off(*served, may_set)) return std::vector<Setting>();
    if (!closed) return closed.error();
    std::vector<Setting> off;
    for (const auto& [setting, backend] : *closed) {
        if (!may_set) {
            return Error{
                fmt::format("{0} is 0, so the kernel would drop what is for {1}: run `sysctl -w {0}=1`, let the "
                            "gateway do it (sysctls: set), or use engine: proxy",
                            setting.key, backend.str())};
        }
        off.push_back(setting);
    }
    return off;
}

std::set<std::pair<std::string, Family>> links_needed(const Desired& desired) {
    const Topology& topology = desired.topology;
    std::set<Ip> listened;
    std::set<std::pair<int, Family>> found;
    for (const Service& service : desired.ruleset.services()) {
        bool leads_on = false;
        for (const Backend& backend : service.backends) {
            const Ip& ip = backend.endpoint.ip;
            const Route* route = topology.owns(ip) ? nullptr : topology.route_to(ip);
            if (!route) continue;
            found.emplace(route->link, ip.family());
            leads_on = true;
        }
        for (const EndpointRange& listen : service.listen) {
            if (leads_on) listened.insert(listen.ip);
        }
    }
    for (const Address& address : topology.addresses()) {
        if (listened.contains(address.ip)) found.emplace(address.link, address.ip.family());
    }
    std::set<std::pair<std::string, Family>> needed;
    for (const auto& [index, family] : found) {
        const Link* link = topology.link(index);
        if (link && link->name != "lo") needed.emplace(link->name, family);
    }
    return needed;
}

}  // namespace hairpin
