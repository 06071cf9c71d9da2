// The five kinds of client, told apart by how the backend's reply would travel.
#pragma once

#include "model/ruleset.h"
#include "model/topology.h"

namespace hairpin {

enum class Path : uint8_t {
    external,  // beyond the gateway's outside
    routed,    // inside, another subnet; replies come back through the gateway anyway
    peer,      // inside, on the backend's own network: a reply would go straight to the client
    self,      // the backend itself: source and destination would be the same host
    local,     // a process on the gateway
};
template <>
inline constexpr auto names_of<Path> = std::to_array<std::string_view>({"external", "routed", "peer", "self", "local"});
inline constexpr auto all_paths =
    std::to_array<Path>({Path::external, Path::routed, Path::peer, Path::self, Path::local});

// Which path a client takes to a backend. Pure.
//
//   local     the client's address is the gateway's own
//   self      the client's address is the backend's
//   peer      both lie in one on-link network; or the backend lies behind a router on the client's link, which answers
//             the client without us. A backend on the gateway itself has no such peers
//   external  the client lies beyond the default route, or in (or beyond) an on-link network that holds the default
//             router or a service's external address, and is not the backend's; so does a client that no route leads to
//   routed    any other
Path path_of(const Ruleset& ruleset, const Topology& topology, const Ip& client, const Ip& backend);

// The same decision as sets of addresses, for engines that lay it down in tables beforehand. A client that is the
// gateway or the backend itself is told apart before they are asked.
//
// Whether path_of() calls a client `peer`: it and the backend meet without us.
bool is_peer(const Topology& topology, const Ip& client, const Ip& backend);
// Whether a client that is no peer is `external`; otherwise it is `routed`.
bool is_outside(const Ruleset& ruleset, const Topology& topology, const Ip& client);
// Whether only the outside is met on a link: it leads there, and none of the networks on it is inside.
bool faces_only_outside(const Ruleset& ruleset, const Topology& topology, int link);

}  // namespace hairpin
