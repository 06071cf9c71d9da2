// Which backends new flows go to, while some are down.
#pragma once

#include <functional>
#include <vector>

#include "model/service.h"

namespace hairpin {

using IsUp = std::function<bool(const Service& service, const Backend& backend)>;

// Whether so few of a service's backends are up that `when_none` says what happens. Those of weight 0 do not count, for
// they take no new flows, and backups only where no other one is up. Pure.
bool panics(const Service& service, const IsUp& is_up);

// The backends that new flows are led to: those that are up, and of these the backups only where there is no other one
// that takes new flows; in a panic all of them, or none. In their order. Pure.
std::vector<Backend> in_service(const Service& service, const IsUp& is_up);

// The services, each with the backends that new flows are led to while all are up: without backups that rest. Pure.
std::vector<Service> with_all_up(std::vector<Service> services);

}  // namespace hairpin
