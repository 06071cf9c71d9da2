// From where a check with `via: endpoint` asks a backend, so that its answer takes the way of those to clients outside.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "model/topology.h"
#include "model/translate.h"

namespace hairpin {

// An address of the gateway's own that stands for a client.
struct CheckOrigin {
    Ip address;
    // The link that leads to the backend: an answer by another one is none, for an engine that translates packets takes
    // it for forged, or never meets it. Empty: any may bring it, for the engine has sockets, or several links lead
    // there.
    std::string link;

    bool operator==(const CheckOrigin&) const = default;
};

// As a backend sees a client outside, by the policy of the service and the engine's abilities:
//
//   keep       the first of the service's addresses that is the gateway's own, of the backend's family and not on its
//              wire, where an answer needs no route
//   external   the first of the service's addresses that is the gateway's own: what it sees of clients
//   gateway    nothing: the address that faces it is what it sees of clients. So it is with one on the gateway itself
//
// An unspecified address stands for all of the gateway's own, first of them that which faces the world. The error says
// that none of the service's addresses will do, and what to do. Pure.
Result<std::optional<CheckOrigin>> check_origin(const Service& service, const Topology& topology,
                                                const Backend& backend, Abilities abilities);

}  // namespace hairpin
