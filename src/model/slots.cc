#include "model/slots.h"

#include <algorithm>
#include <numeric>
#include <set>

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

std::vector<const Backend*> all_of(const Service& service) {
    std::vector<const Backend*> all;
    for (const Backend& backend : service.backends) all.push_back(&backend);
    return all;
}

bool takes_flows(const std::vector<const Backend*>& backends) {
    return std::ranges::any_of(backends, [](const Backend* backend) { return backend->weight > 0; });
}

// Among which of these the client's flows are balanced.
std::vector<const Backend*> open_to(const Service& service, const std::vector<const Backend*>& backends,
                                    const Ip& client) {
    std::vector<const Backend*> itself;
    std::vector<const Backend*> others;
    for (const Backend* backend : backends) {
        (backend->endpoint.ip == client ? itself : others).push_back(backend);
    }
    switch (service.self) {
        case SelfPolicy::allow:
            return backends;
        case SelfPolicy::avoid:
            return takes_flows(others) ? others : backends;
        case SelfPolicy::prefer:
            return takes_flows(itself) ? itself : backends;
        case SelfPolicy::deny:
            return others;
    }
    return backends;
}

}  // namespace

Slots slots_of(Balance balance, const std::vector<const Backend*>& backends) {
    return balance == Balance::maglev ? maglev_of(backends) : turns_of(backends);
}

Slots slots_of(const Service& service) { return slots_of(service.balance, all_of(service)); }

Slots slots_of(const Service& service, const Ip& client) { return slots_of(service, all_of(service), client); }

Slots slots_of(const Service& service, const std::vector<const Backend*>& backends, const Ip& client) {
    if (service.self == SelfPolicy::allow) return slots_of(service.balance, backends);
    const std::vector<const Backend*> open = open_to(service, backends, client);
    Slots slots = slots_of(service.balance, open);
    if (open.size() == backends.size()) return slots;
    for (uint16_t& slot : slots) {
        slot = static_cast<uint16_t>(std::ranges::find(backends, open[slot]) - backends.begin());
    }
    return slots;
}

std::vector<OwnSlots> own_slots(const Service& service, const std::vector<const Backend*>& backends) {
    if (service.self == SelfPolicy::allow) return {};
    std::set<Ip> clients;
    for (const Backend* backend : backends) clients.insert(backend->endpoint.ip);
    const Slots of_all = slots_of(service.balance, backends);
    std::vector<OwnSlots> own;
    for (const Ip& client : clients) {
        Slots slots = slots_of(service, backends, client);
        if (slots != of_all) own.push_back({client, std::move(slots)});
    }
    return own;
}

bool takes_new_flows(const Service& service) {
    return std::ranges::any_of(service.backends, [](const Backend& backend) { return backend.weight > 0; });
}

}  // namespace hairpin
