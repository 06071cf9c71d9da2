#include "engines/nft/settings.h"

#include <fmt/format.h>

#include "engines/nft/table.h"
#include "net/sysctl.h"

namespace hairpin::nft {
namespace {

constexpr std::string_view mark = "was.";  // and then "KEY.VALUE"

bool is_kept_by(const Chain& chain) { return chain.name.starts_with(mark); }

}  // namespace

Result<> Settings::check_forwarding(const Desired& desired) const {
    const auto off = forwarding_off(desired, may_set_);
    return off ? Result<>() : off.error();
}

Result<> Settings::enable_forwarding(const Desired& desired, const Desired* served) {
    const auto off = forwarding_off(desired, may_set_, served);
    if (!off) return off.error();
    for (const Setting& setting : *off) {
        if (auto set = set_until_clear(setting); !set) return set;
        tell_of(setting);
    }
    return {};
}

// Nothing that is served depends on it.
void Settings::keep_count() {
    if (!may_set_) return;
    for (const char* key : {"net.netfilter.nf_conntrack_acct", "net.netfilter.nf_conntrack_timestamp"}) {
        const auto value = read_sysctl(key);
        if (!value || *value != "0") continue;
        const auto set = set_until_clear({key, *value});
        set ? tell_of({key, *value}) : on_event_(engine_note(set.error().message));
    }
}

Result<> Settings::set_until_clear(const Setting& setting) {
    const std::string name = fmt::format("{}{}.{}", mark, setting.key, setting.value);
    if (auto done = netfilter_.apply(fmt::format("table {} {{ chain {} {{ }}\n}}\n", table, name)); !done) return done;
    kept_.insert(name);
    return write_sysctl(setting.key, "1");
}

void Settings::tell_of(const Setting& setting) const {
    on_event_(engine_note(fmt::format("{} was {} and is now 1, until the gateway stops", setting.key, setting.value)));
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
