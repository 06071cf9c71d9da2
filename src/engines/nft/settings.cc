#include "engines/nft/settings.h"

#include <fmt/format.h>

#include "engines/nft/table.h"
#include "net/sysctl.h"

namespace hairpin::nft {
namespace {

constexpr std::string_view mark = "was.";  // and then "KEY.VALUE"

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

bool is_kept_by(const Chain& chain) { return chain.name.starts_with(mark); }

}  // namespace

// What keeps the kernel from forwarding to backends, and may be set.
Result<std::vector<Settings::Closed>> Settings::closed(const Desired& desired) const {
    std::vector<Closed> closed;
    for (const Family family : all_families) {
        const std::string key = family == Family::v4 ? "net.ipv4.ip_forward" : "net.ipv6.conf.all.forwarding";
        const auto value = read_sysctl(key);
        const Ip* beyond = value && *value != "0" ? nullptr : backend_beyond(desired, family);
        if (!beyond) continue;
        if (!value) return value.error();
        if (!may_set_) {
            return Error{
                fmt::format("{0} is 0, so the kernel would drop what is for {1}: run `sysctl -w {0}=1`, let the "
                            "gateway do it (sysctls: set), or use engine: proxy",
                            key, beyond->str())};
        }
        closed.push_back({key, *value});
    }
    return closed;
}

Result<> Settings::check_forwarding(const Desired& desired) const {
    const auto found = closed(desired);
    return found ? Result<>() : found.error();
}

Result<> Settings::enable_forwarding(const Desired& desired) {
    const auto found = closed(desired);
    if (!found) return found.error();
    for (const Closed& setting : *found) {
        if (auto set = set_until_clear(setting); !set) return set;
    }
    return {};
}

// Nothing that is served depends on it.
void Settings::keep_count() {
    if (!may_set_) return;
    for (const char* key : {"net.netfilter.nf_conntrack_acct", "net.netfilter.nf_conntrack_timestamp"}) {
        const auto value = read_sysctl(key);
        if (!value || *value != "0") continue;
        if (const auto set = set_until_clear({key, *value}); !set) on_event_({Event::Level::info, set.error().message});
    }
}

Result<> Settings::set_until_clear(const Closed& setting) {
    const std::string name = fmt::format("{}{}.{}", mark, setting.key, setting.value);
    if (auto done = netfilter_.apply(fmt::format("table {} {{ chain {} {{ }}\n}}\n", table, name)); !done) return done;
    kept_.insert(name);
    if (auto set = write_sysctl(setting.key, "1"); !set) return set;
    on_event_({Event::Level::info,
               fmt::format("{} was {} and is now 1, until the gateway stops", setting.key, setting.value)});
    return {};
}

const std::set<std::string>& Settings::kept(const std::vector<Chain>& chains) {
    for (const Chain& chain : chains) {
        if (is_kept_by(chain)) kept_.insert(chain.name);
    }
    return kept_;
}

Result<> Settings::restore(const std::vector<Chain>& chains) {
    for (const Chain& chain : chains) {
        if (!is_kept_by(chain)) continue;
        const std::string setting = chain.name.substr(mark.size());
        const size_t dot = setting.rfind('.');
        if (auto set = write_sysctl(setting.substr(0, dot), setting.substr(dot + 1)); !set) return set;
    }
    return {};
}

}  // namespace hairpin::nft
