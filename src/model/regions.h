// Sets of addresses as disjoint prefixes, cut along the gateway's routes.
#pragma once

#include <functional>
#include <vector>

#include "model/topology.h"

namespace hairpin {

// All addresses of a family for which `holds` is true, as few disjoint prefixes in ascending order. Precondition:
// `holds` is the same for any two addresses that no route tells apart, so it is asked once for each such region. Cost:
// one question for each route and each length at which routes part.
std::vector<Prefix> regions(const Topology& topology, Family family, const std::function<bool(const Ip&)>& holds);

}  // namespace hairpin
