// Which backends new flows go to, while some are down.
#pragma once

#include <functional>
#include <vector>

#include "model/service.h"

namespace hairpin {

using IsUp = std::function<bool(const Service& service, const Backend& backend)>;

// Whether so few of a service's backends are up that `when_none` says what happens. Those of weight 0 do not count, for
// they take no new flows. Pure.
bool panics(const Service& service, const IsUp& is_up);

// The backends that new flows are led to: those that are up; in a panic all of them, or none. In their order. Pure.
std::vector<Backend> in_service(const Service& service, const IsUp& is_up);

}  // namespace hairpin
