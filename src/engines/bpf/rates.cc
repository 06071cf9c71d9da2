#include "engines/bpf/rates.h"

#include <array>

namespace hairpin::bpf {

Result<LimitWatch::Refused> refused_by_rates(const Maps& maps, const Desired& desired, const ServiceSlots& slots) {
    constexpr std::array limit_of = {Limit::new_per_second_per_client, Limit::new_per_second};  // by hp_rate
    static_assert(limit_of.size() == HP_RATES);
    const auto all = maps.counts.all();
    if (!all) return all.error();
    LimitWatch::Refused refused;
    for (const Service& service : desired.ruleset.services()) {
        const auto counts = all->find(slots.of(service));
        if (counts == all->end()) continue;
        for (size_t rate = 0; rate < HP_RATES; ++rate) refused[{&service, limit_of[rate]}] = counts->second.over[rate];
    }
    return refused;
}

}  // namespace hairpin::bpf
