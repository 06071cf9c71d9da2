#include "engines/registry.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "engines/bpf/bpf_engine.h"
#include "engines/nft/nft_engine.h"
#include "engines/proxy/proxy_engine.h"

namespace hairpin {
namespace {

constexpr std::string_view ebpf = "tc or xdp";

// From the one that runs anywhere to the one that `auto` tries first.
constexpr std::array entries = {
    EngineEntry{"proxy", "user space, no privileges, runs anywhere", make_proxy_engine},
    EngineEntry{"xdp", "eBPF, in network drivers", make_xdp_engine, false, ebpf},
    EngineEntry{"tc", "eBPF, ahead of the kernel's network stack", make_tc_engine, false, ebpf},
    EngineEntry{"nft", "the kernel's NAT, which keeps clients' addresses", make_nft_engine, true, "nft"},
};

}  // namespace

std::span<const EngineEntry> engines() { return entries; }

const EngineEntry* find_engine(std::string_view name) {
    const auto entry = std::ranges::find(entries, name, &EngineEntry::name);
    return entry == entries.end() ? nullptr : &*entry;
}

Result<> check_unhindered(Engine& engine, const Desired& desired) {
    auto hindrances = engine.check(desired);
    if (!hindrances) return hindrances.error();
    return hindrances->empty() ? Result<>() : Error{std::move(hindrances->front())};
}

Result<Selection> select_engine(std::string_view name, const EngineOptions& options, const Ruleset& ruleset,
                                const std::function<Result<>(Engine&)>& allows) {
    if (name != automatic_engine) {
        const EngineEntry* entry = find_engine(name);
        if (!entry) return Error{"engine: there is no '" + std::string(name) + "': `hairpin run --help` lists them"};
        return Selection{entry->make(options), {}};
    }
    Selection selection;
    const auto serves = [&](const EngineEntry& entry, const auto& suits) {
        auto engine = entry.make(options);
        const auto gaps = engine->gaps(ruleset);
        const auto gap = std::ranges::find_if_not(gaps, suits);
        std::string why;
        if (gap != gaps.end()) {
            why = fmt::format("service {}: {}", gap->service, gap->message);
        } else if (const auto allowed = allows(*engine); !allowed) {
            why = allowed.error().message;
        } else {
            selection.engine = std::move(engine);
            return true;
        }
        selection.passed_over.push_back(fmt::format("{}: {}", entry.name, why));
        return false;
    };
    const auto any_serves = [&](const auto& suits) {
        return std::any_of(entries.rbegin(), entries.rend(),
                           [&](const auto& entry) { return entry.automatic && serves(entry, suits); });
    };
    if (any_serves([](const Gap& gap) { return gap.implied; })) return selection;
    selection.passed_over.clear();
    if (any_serves([](const Gap& gap) { return !gap.fatal; })) return selection;
    return Error{fmt::format("no engine can serve this here: {}", fmt::join(selection.passed_over, "; "))};
}

}  // namespace hairpin
