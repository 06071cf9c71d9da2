#include "model/slots.h"

#include <algorithm>
#include <numeric>

#include "model/maglev.h"

namespace hairpin {
namespace {

Slots turns_of(const std::vector<const Backend*>& backends) {
    std::vector<uint32_t> weights;
    weights.reserve(backends.size());
    for (const Backend* backend : backends) weights.push_back(backend->weight);
    return turns(weights);
}

Slots maglev_of(const std::vector<const Backend*>& backends) {
    std::vector<uint16_t> order(backends.size());
    std::iota(order.begin(), order.end(), uint16_t{0});
    std::ranges::sort(order, {}, [&](uint16_t i) { return backends[i]->endpoint; });
    std::vector<const Backend*> sorted;
    sorted.reserve(order.size());
    for (const uint16_t i : order) sorted.push_back(backends[i]);
    Slots slots = turns_of(sorted);
    if (slots.size() > 1) {
        const size_t size = maglev_size(slots.size());
        std::vector<Preference> preferences;
        preferences.reserve(sorted.size());
        for (const Backend* backend : sorted) preferences.push_back(preference(backend->endpoint.str(), size));
        slots = maglev(preferences, slots, size);
    }
    for (uint16_t& slot : slots) slot = order[slot];
    return slots;
}

}  // namespace

Slots slots_of(Balance balance, const std::vector<const Backend*>& backends) {
    return balance == Balance::maglev ? maglev_of(backends) : turns_of(backends);
}

Slots slots_of(const Service& service) {
    std::vector<const Backend*> all;
    for (const Backend& backend : service.backends) all.push_back(&backend);
    return slots_of(service.balance, all);
}

bool takes_new_flows(const Service& service) {
    return std::ranges::any_of(service.backends, [](const Backend& backend) { return backend.weight > 0; });
}

}  // namespace hairpin
