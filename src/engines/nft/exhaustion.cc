#include "engines/nft/exhaustion.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engines/free_ports.h"
#include "engines/nft/frame.h"

namespace hairpin::nft {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::minutes warning_interval{1};

}  // namespace

void Exhaustion::tend(const Desired& desired, PortRange ports) {
    const auto dropped = dropped_flows();
    if (!dropped) {
        if (!std::exchange(blind_, true)) {
            warn(dropped.error().within("where source ports run out, nobody is told").message);
        }
        return;
    }
    const auto before = std::exchange(dropped_, *dropped);
    const bool missed = before && *before != *dropped;
    if (!missed && exhausted_.empty()) return;
    if (const auto done = refuse(missed, desired, ports); !done) warn(done.error().message);
}

// While a pool is exhausted, all of this each second: those who wait shall be let in as soon as there is a port.
Result<> Exhaustion::refuse(bool missed, const Desired& desired, PortRange ports) {
    PoolUse use(desired.ruleset, desired.topology, ports);
    auto reviewed = conntrack_.review(Flows::translated, [&](const TrackedFlow& flow) {
        use.add(flow);
        return Fate::keep;
    });
    if (!reviewed) return reviewed;
    std::set<Pool> pools = use.exhausted(missed, exhausted_);
    Change change;
    for (const Pool& pool : pools) {
        for (Refused& refused : refused_by(pool, desired.ruleset, desired.topology)) {
            change.added.elements.push_back(std::move(refused.element));
        }
    }
    std::string text = pools.empty() ? let_all_arrive() : refuse_some();
    for (const Family family : all_families) {
        text += fmt::format("flush map {} {}\n", table, for_family("exhausted", family));
    }
    if (auto done = netfilter_.apply(text + commands(change)); !done) return done;
    warn_of(pools, desired, ports);
    exhausted_ = std::move(pools);
    return {};
}

// Of those that have just become exhausted, one stands for all.
void Exhaustion::warn_of(const std::set<Pool>& pools, const Desired& desired, PortRange ports) {
    const auto pool = std::ranges::find_if(pools, [&](const Pool& p) { return !exhausted_.contains(p); });
    if (pool == pools.end() || steady_clock::now() < next_warning_) return;
    const auto refused = refused_by(*pool, desired.ruleset, desired.topology);
    if (refused.empty()) return;  // the last flows of a service that is gone
    next_warning_ = steady_clock::now() + warning_interval;
    warn(
        fmt::format("service {}: all {} source ports of {} towards {} are in use ({}), so clients that need one are "
                    "refused; {}",
                    refused.front().service->name, ports.size(), pool->source.str(), pool->backend.str(),
                    name(pool->protocol), how_to_have_more_ports));
}

}  // namespace hairpin::nft
