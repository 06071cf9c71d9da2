#include "engines/bpf/rates.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <vector>

namespace hairpin::bpf {
namespace {

constexpr std::array limit_of = {Limit::new_per_second_per_client, Limit::new_per_second};  // by hp_rate
static_assert(limit_of.size() == HP_RATES);

bool has_rates(const Service& service) {
    return std::ranges::any_of(limit_of, [&](Limit limit) { return service.limits[limit] > 0; });
}

bool is_of_all(const hp_counted& counted) { return std::ranges::count(counted.client.word, 0) == 4; }

}  // namespace

Result<LimitWatch::Refused> refused_by_rates(const Maps& maps, const Desired& desired, const ServiceSlots& slots) {
    LimitWatch::Refused refused;
    for (const Service& service : desired.ruleset.services()) {
        if (!has_rates(service)) continue;
        const auto counts = maps.counts.get(slots.of(service));
        if (!counts) return Error{"the kernel's half has lost the counts of service " + service.name};
        for (size_t rate = 0; rate < HP_RATES; ++rate) refused[{&service, limit_of[rate]}] = counts->over[rate];
    }
    return refused;
}

Result<> Buckets::make(const Maps& maps, const Desired& desired, const ServiceSlots& slots) {
    for (const Service& service : desired.ruleset.services()) {
        if (service.limits[Limit::new_per_second] == 0) continue;
        const hp_counted all{.service = slots.of(service), .client = {}};
        if (maps.buckets.get(all)) continue;
        if (auto made = maps.buckets.put(all, {}); !made) return made;
    }
    return {};
}

void Buckets::sweep(const Maps& maps, const Desired& desired) {
    const bool needed = std::ranges::any_of(desired.ruleset.services(), has_rates);
    if (!needed && !some_left_) return;
    // The kernel's half reads a clock that is a little behind this one: a bucket that is full here for a second is so
    // there.
    const auto now = std::chrono::steady_clock::now().time_since_epoch() - std::chrono::seconds(1);
    some_left_ = false;
    std::vector<hp_counted> full;
    const auto done = maps.buckets.visit_all([&](const hp_counted& counted, const hp_bucket& bucket) {
        const bool is_full = std::chrono::nanoseconds(bucket.full_at) < now;
        if (is_full && !(needed && is_of_all(counted))) {
            full.push_back(counted);
        } else {
            some_left_ = true;
        }
    });
    if (!done) some_left_ = true;  // another time
    for (const hp_counted& counted : full) maps.buckets.remove(counted);
}

}  // namespace hairpin::bpf
