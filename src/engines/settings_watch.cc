#include "engines/settings_watch.h"

#include <fmt/format.h>

#include <algorithm>

#include "net/sysctl.h"

namespace hairpin {

void SettingsWatch::tend(const std::shared_ptr<const Desired>& desired) {
    if (seen_ != desired) {
        links_ = links_needed(*desired);
        seen_ = desired;
    }
    if (desired->ruleset.services().empty()) return troubles_.forget();
    std::vector<std::string> troubles;
    add_closed(*desired, troubles);
    if (troubles.empty()) add_closed_links(troubles);  // the whole machine's closes and opens all of them
    add_own(troubles);
    troubles_.become(std::move(troubles));
}

void SettingsWatch::add_own(std::vector<std::string>& troubles) {
    for (const Own& own : means_.own) {
        const auto value = read_sysctl(own.key);
        const auto set = !value ? value.error() : *value == "1" ? Result<>() : set_again({own.key, *value});
        if (!set) troubles.push_back(fmt::format("{}: {}", own.without, set.error().message));
    }
}

void SettingsWatch::add_closed(const Desired& desired, std::vector<std::string>& troubles) {
    const auto closed = closed_settings(desired);
    if (!closed) return troubles.push_back(closed.error().message);
    for (const Closed& each : *closed) {
        const Result<> set = means_.may_set ? set_again(each.setting) : Result<>();
        if (means_.may_set && set) continue;
        troubles.push_back(fmt::format(
            "{0} is 0, so the kernel drops what is for backends: run `sysctl -w {0}=1`{1}", each.setting.key,
            set ? ", or let the gateway do it (sysctls: set)" : "; we could not: " + set.error().message));
    }
}

void SettingsWatch::add_closed_links(std::vector<std::string>& troubles) const {
    for (const auto& [link, family] : links_) {
        if (std::ranges::find(means_.families_of_links, family) == means_.families_of_links.end()) continue;
        const std::string_view version = family == Family::v4 ? "ipv4" : "ipv6";
        const std::string key = fmt::format("net/{}/conf/{}/forwarding", version, link);  // a name may have dots
        const auto value = read_sysctl(key);  // an error: the link has just gone
        if (!value || *value != "0") continue;
        troubles.push_back(
            fmt::format("{0} is 0, so the kernel drops what is to be sent on of what comes by {1}: run "
                        "`sysctl -w {0}=1`",
                        key, link));
    }
}

Result<> SettingsWatch::set_again(const Setting& setting) {
    if (auto set = means_.set(setting); !set) return set;
    if (fights_[setting.key].begins(std::chrono::steady_clock::now())) {
        on_event_(engine_warning(fmt::format("somebody has set {} to {}: it is 1 again", setting.key, setting.value)));
    }
    return {};
}

}  // namespace hairpin
