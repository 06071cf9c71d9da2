#include "daemon/desired.h"

#include <algorithm>

namespace hairpin {

std::shared_ptr<const Desired> make_desired(std::shared_ptr<const Desired> configured, const IsUp& is_up,
                                            const Administration& administration) {
    const std::vector<Service>& all = configured->ruleset.services();
    const auto takers = [&](const Service& service) {
        return administration.concerns(service) ? in_service(administration.in_rotation(service), is_up)
                                                : in_service(service, is_up);
    };
    const auto is_whole = [&](const Service& service) { return takers(service).size() == service.backends.size(); };
    if (std::ranges::all_of(all, is_whole)) return configured;
    std::vector<Service> services = all;
    for (Service& service : services) {
        service.backends = takers(service);
        service.resolved.clear();
    }
    return std::make_shared<const Desired>(Desired{Ruleset(std::move(services)), configured->topology});
}

}  // namespace hairpin
