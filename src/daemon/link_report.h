// Tells what becomes of links that services listen on.
#pragma once

#include <span>
#include <vector>

#include "engines/engine.h"

namespace hairpin {

// An event for each link that services listen on and that bears other addresses than before: a warning where it bears
// none. `before` is null at the start: then only about those that bear none. And a warning for each address of a link
// at which a service cannot be served. Pure.
std::vector<Event> link_events(std::span<const Service> services, const Topology* before, const Topology& now);

}  // namespace hairpin
