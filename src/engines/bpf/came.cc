#include "engines/bpf/came.h"

#include "engines/bpf/convert.h"

namespace hairpin::bpf {

Result<> Came::count(const Maps& maps, const Desired& desired, const std::function<uint32_t(const Service&)>& slot_of) {
    const auto there = maps.came.all();
    if (!there) return there.error();
    Table<hp_place, EndpointRange> places;
    for (const Service& service : desired.ruleset.services()) {
        for (const Backend& backend : service.backends) {
            const hp_place place{slot_of(service), backend.endpoint.ports.first, 0, to_wire(backend.endpoint.ip)};
            places.emplace(place, backend.endpoint);
            if (!there->contains(place)) (void)maps.came.put(place, {});
        }
    }
    for (const auto& [place, came] : *there) {
        if (!places.contains(place)) maps.came.remove(place);
    }
    places_ = std::move(places);
    return {};
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
