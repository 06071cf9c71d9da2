// Reads where the gateway stands from the kernel, through rtnetlink (RFC 3549).
#pragma once

#include "base/result.h"
#include "model/topology.h"

namespace hairpin {

// The topology of the calling thread's network namespace: links that are up, their usable addresses, the unicast routes
// of the main table, and what somebody added to the local table (AnyIP: `ip route add local 10.9.0.0/24 dev lo`), of
// both families. Left out is what carries no packet: addresses that duplicate address
// detection has not passed (RFC 4862 5.4), dead next hops, blackholes. Of a route with several next hops each becomes a
// Route. Needs no privilege. Any thread; blocks for as long as the kernel takes to list its tables.
Result<Topology> read_topology();

}  // namespace hairpin
