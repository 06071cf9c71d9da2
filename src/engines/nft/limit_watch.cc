#include "engines/nft/limit_watch.h"

#include <algorithm>

#include "engines/nft/counts.h"
#include "engines/nft/frame.h"
#include "engines/nft/stats_rows.h"

namespace hairpin::nft {
namespace {

bool has_limits(const Desired& desired) {
    return std::ranges::any_of(desired.ruleset.services(), [](const Service& service) { return service.limits.any(); });
}

}  // namespace

void LimitWatch::begin(const Desired& desired) {
    (void)look(desired, [](const Service&, Limit) {});  // an error: there is no table yet
}

void LimitWatch::tend(const Desired& desired) {
    if (!has_limits(desired)) return;
    const auto now = std::chrono::steady_clock::now();
    const auto seen = look(desired, [&](const Service& service, Limit limit) {
        if (!met_[{service.name, limit}].episode.begins(now)) return;
        const uint32_t most = service.limits[limit];
        if (most == 0) return;  // a reload has just taken it away
        on_event_(limit_event(service.name, limit, most));
    });
    if (!seen && !std::exchange(blind_, true)) {
        on_event_(engine_warning(seen.error().within("who meets limits is refused, and not told").message));
    }
}

// `more`: of whom more have been refused than when we last looked.
Result<> LimitWatch::look(const Desired& desired, const std::function<void(const Service&, Limit)>& more) {
    std::map<std::pair<const Service*, Limit>, uint64_t> refused;
    for (const Family family : all_families) {
        const auto counts = read_counts(refused_set(family));
        if (!counts) return counts.error();
        for (const Count& count : *counts) {
            const auto limit = limit_marked(count.mark);
            if (!limit) continue;
            if (const Service* service = service_asked(desired, count.protocol, count.endpoint)) {
                refused[{service, *limit}] += count.packets;
            }
        }
    }
    for (const auto& [of, number] : refused) {
        const auto& [service, limit] = of;
        const uint64_t before = std::exchange(met_[{service->name, limit}].refused, number);
        if (number > before) more(*service, limit);
    }
    return {};
}

}  // namespace hairpin::nft
