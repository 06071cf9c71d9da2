#include "model/as_written.h"

#include <algorithm>
#include <functional>

namespace hairpin {
namespace {

// Takes one out of a list, of which the last ones are of those origins.
template <class T>
void leave_out(std::vector<T>& list, std::vector<size_t>& origins, size_t index) {
    const size_t first = list.size() - origins.size();
    list.erase(list.begin() + static_cast<ptrdiff_t>(index));
    origins.erase(origins.begin() + static_cast<ptrdiff_t>(index - first));
}

}  // namespace

Place as_written(const Service& service, Place place) {
    const auto at_origin = [&](size_t written, std::span<const size_t> origins, Place::Key key) {
        return place.index < written ? place : Place{place.service, key, origins[place.index - written]};
    };
    if (place.key == Place::Key::listen) {
        return at_origin(service.listen.size() - service.followed.size(), service.followed, Place::Key::listen_links);
    }
    if (place.key == Place::Key::backends) {
        return at_origin(service.backends.size() - service.resolved.size(), service.resolved,
                         Place::Key::backend_names);
    }
    return place;
}

bool is_passing(std::span<const Service> services, const Problem& problem) {
    return as_written(services[problem.place.service], problem.place) != problem.place;
}

std::vector<Service> without(std::vector<Service> services, std::span<const Problem> problems) {
    std::vector<Place> places;
    for (const Problem& problem : problems) places.push_back(problem.place);
    std::ranges::sort(places, std::greater());  // from the back: what stands before keeps its index
    places.erase(std::unique(places.begin(), places.end()), places.end());
    for (const Place& place : places) {
        Service& service = services[place.service];
        if (as_written(service, place) == place) continue;
        if (place.key == Place::Key::listen) {
            leave_out(service.listen, service.followed, place.index);
        } else {
            leave_out(service.backends, service.resolved, place.index);
        }
    }
    return services;
}

}  // namespace hairpin
