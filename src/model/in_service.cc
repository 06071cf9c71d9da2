#include "model/in_service.h"

#include <algorithm>
#include <iterator>

namespace hairpin {

bool panics(const Service& service, const IsUp& is_up) {
    if (!service.health) return false;
    size_t counted = 0;
    size_t up = 0;
    for (const Backend& backend : service.backends) {
        if (backend.weight == 0) continue;
        ++counted;
        if (is_up(service, backend)) ++up;
    }
    return up == 0 || up * 100 < counted * service.health->panic_threshold;
}

std::vector<Backend> in_service(const Service& service, const IsUp& is_up) {
    if (!service.health) return service.backends;
    if (panics(service, is_up)) {
        return service.health->when_none == WhenNone::all ? service.backends : std::vector<Backend>{};
    }
    std::vector<Backend> up;
    std::ranges::copy_if(service.backends, std::back_inserter(up),
                         [&](const Backend& backend) { return is_up(service, backend); });
    return up;
}

}  // namespace hairpin
