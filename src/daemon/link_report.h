// Tells what becomes of links that services listen on.
#pragma once

#include <span>
#include <vector>

#include "model/event.h"
#include "model/service.h"
#include "model/topology.h"

namespace hairpin {

// An event for each link that services listen on and that bears other addresses than before: a warning where it bears
// none. `before` is null at the start: then only about those that bear none. Pure.
std::vector<Event> link_events(std::span<const Service> services, const Topology* before, const Topology& now);

}  // namespace hairpin
