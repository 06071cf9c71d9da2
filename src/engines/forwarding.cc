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

Result<std::vector<Setting>> forwarding_off(const Desired& desired, bool may_set) {
    std::vector<Setting> off;
    for (const Family family : all_families) {
        const std::string key = family == Family::v4 ? "net.ipv4.ip_forward" : "net.ipv6.conf.all.forwarding";
        const auto value = read_sysctl(key);
        const Ip* beyond = value && *value != "0" ? nullptr : backend_beyond(desired, family);
        if (!beyond) continue;
        if (!value) return value.error();
        if (!may_set) {
            return Error{
                fmt::format("{0} is 0, so the kernel would drop what is for {1}: run `sysctl -w {0}=1`, let the "
                            "gateway do it (sysctls: set), or use engine: proxy",
                            key, beyond->str())};
        }
        off.push_back({key, *value});
    }
    return off;
}

}  // namespace hairpin
