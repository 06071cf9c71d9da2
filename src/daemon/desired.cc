#include "daemon/desired.h"

#include <algorithm>

namespace hairpin {

std::shared_ptr<const Desired> make_desired(std::shared_ptr<const Desired> configured, const IsUp& is_up) {
    const std::vector<Service>& all = configured->ruleset.services();
    const auto is_whole = [&](const Service& service) {
        return in_service(service, is_up).size() == service.backends.size();
    };
    if (std::ranges::all_of(all, is_whole)) return configured;
    std::vector<Service> services = all;
    for (Service& service : services) {
        service.backends = in_service(service, is_up);
        service.resolved.clear();
    }
    return std::make_shared<const Desired>(Desired{Ruleset(std::move(services)), configured->topology});
}

}  // namespace hairpin
