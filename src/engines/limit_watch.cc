#include "engines/limit_watch.h"

#include <algorithm>

namespace hairpin {
namespace {

bool has_limits(const Desired& desired) {
    return std::ranges::any_of(desired.ruleset.services(), [](const Service& service) { return service.limits.any(); });
}

}  // namespace

void LimitWatch::begin(const Desired& desired) {
    const auto refused = count_(desired);  // an error: there is nothing yet
    if (refused) look(*refused, [](const Service&, Limit) {});
}

void LimitWatch::tend(const Desired& desired) {
    if (!has_limits(desired)) return;
    const auto refused = count_(desired);
    if (!refused) {
        if (std::exchange(blind_, true)) return;
        on_event_(engine_warning(refused.error().within("who meets limits is refused, and not told").message));
        return;
    }
    const auto now = std::chrono::steady_clock::now();
    look(*refused, [&](const Service& service, Limit limit) {
        if (!met_[{service.name, limit}].episode.begins(now)) return;
        const uint32_t most = service.limits[limit];
        if (most == 0) return;  // a reload has just taken it away
        on_event_(limit_event(service.name, limit, most));
    });
}

void LimitWatch::look(const Refused& refused, const std::function<void(const Service&, Limit)>& more) {
    for (const auto& [of, number] : refused) {
        const auto& [service, limit] = of;
        const uint64_t before = std::exchange(met_[{service->name, limit}].refused, number);
        if (number > before) more(*service, limit);
    }
}

}  // namespace hairpin
