// The backends of a service in the order in which its balance names them.
#pragma once

#include <vector>

#include "model/service.h"

namespace hairpin {

// Indices into `backends`, those of the service that can be reached. Empty: none takes new flows. With maglev, the
// order in which backends are configured changes nothing but these indices.
Slots slots_of(Balance balance, const std::vector<const Backend*>& backends);
Slots slots_of(const Service& service);  // where all can be reached

bool takes_new_flows(const Service& service);  // some backend does, for whoever can reach it

}  // namespace hairpin
