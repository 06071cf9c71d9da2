#include "model/in_service.h"

#include <algorithm>
#include <iterator>

namespace hairpin {

bool panics(const Service& service, const IsUp& is_up) {
    if (!service.health) return false;
    size_t counted = 0;
    size_t up = 0;
    bool backup_up = false;
    for (const Backend& backend : service.backends) {
        if (backend.weight == 0) continue;
        if (!backend.backup) ++counted;
        if (!is_up(service, backend)) continue;
        if (backend.backup) {
            backup_up = true;
        } else {
            ++up;
        }
    }
    return up == 0 ? !backup_up : up * 100 < counted * service.health->panic_threshold;
}

std::vector<Backend> in_service(const Service& service, const IsUp& is_up) {
    const bool panic = panics(service, is_up);
    if (panic && service.health->when_none == WhenNone::refuse) return {};
    const auto counts_as_up = [&](const Backend& backend) {
        return panic || !service.health || is_up(service, backend);
    };
    const bool backups_rest = std::ranges::any_of(service.backends, [&](const Backend& backend) {
        return !backend.backup && backend.weight > 0 && counts_as_up(backend);
    });
    std::vector<Backend> serving;
    std::ranges::copy_if(service.backends, std::back_inserter(serving), [&](const Backend& backend) {
        return counts_as_up(backend) && !(backend.backup && backups_rest);
    });
    return serving;
}

std::vector<Service> with_all_up(std::vector<Service> services) {
    for (Service& service : services) {
        service.backends = in_service(service, [](const Service&, const Backend&) { return true; });
        service.resolved.clear();
    }
    return services;
}

}  // namespace hairpin
