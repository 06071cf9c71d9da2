#include "model/in_service.h"

#include <algorithm>
#include <iterator>

namespace hairpin {

bool panics(const Service& service, size_t up) {
    return service.health && (up == 0 || up * 100 < service.backends.size() * service.health->panic_threshold);
}

std::vector<Backend> in_service(const Service& service, const IsUp& is_up) {
    if (!service.health) return service.backends;
    std::vector<Backend> up;
    std::ranges::copy_if(service.backends, std::back_inserter(up),
                         [&](const Backend& backend) { return is_up(service, backend); });
    if (!panics(service, up.size())) return up;
    return service.health->when_none == WhenNone::all ? service.backends : std::vector<Backend>{};
}

}  // namespace hairpin
