#include "engines/bpf/came.h"

#include "engines/bpf/convert.h"

namespace hairpin::bpf {

Result<> Came::take_over(const Maps& maps) {
    return maps.came.visit_all([&](const hp_place& place, const hp_came&) { places_.emplace(place, EndpointRange()); });
}

void Came::count(const Maps& maps, const Desired& desired, const std::function<uint32_t(const Service&)>& slot_of) {
    Table<hp_place, EndpointRange> places;
    for (const Service& service : desired.ruleset.services()) {
        const uint32_t slot = slot_of(service);
        for (const Backend& backend : service.backends) {
            const hp_place place{slot, backend.endpoint.ports.first, 0, to_wire(backend.endpoint.ip)};
            if (places_.contains(place) || maps.came.put(place, {})) places.emplace(place, backend.endpoint);
        }
    }
    for (const auto& [place, backend] : places_) {
        if (!places.contains(place)) maps.came.remove(place);
    }
    places_ = std::move(places);
}

Result<std::map<uint32_t, std::vector<BackendStats>>> Came::tell(const Maps& maps) const {
    std::map<uint32_t, std::vector<BackendStats>> all;
    const auto done = maps.came.visit_all([&](const hp_place& place, const hp_came& came) {
        const auto known = places_.find(place);
        if (known == places_.end()) return;
        for (size_t path = 0; path < std::size(came.accepted); ++path) {
            if (came.accepted[path] == 0) continue;
            all[place.service].push_back(
                {.backend = known->second, .path = static_cast<Path>(path), .accepted = came.accepted[path]});
        }
    });
    if (!done) return done.error();
    return all;
}

}  // namespace hairpin::bpf
