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
        closed.push_back(
            {{key, *value}, fmt::format("{} is 0, so the kernel would drop what is for {}", key, beyond->str())});
    }
    return closed;
}

Result<std::vector<Setting>> forwarding_off(const Desired& desired, bool may_set) {
    const auto closed = closed_settings(desired);
    if (!closed) return closed.error();
    std::vector<Setting> off;
    for (const Closed& each : *closed) {
        if (!may_set) {
            return Error{
                fmt::format("{}: run `sysctl -w {}=1`, let the gateway do it (sysctls: set), or use engine: proxy",
                            each.why, each.setting.key)};
        }
        off.push_back(each.setting);
    }
    return off;
}

bool is_closed_already(const Desired* served, bool may_set) { return served && !forwarding_off(*served, may_set); }

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
