// THE decision: what happens to a flow. Engines carry it out; they never reinterpret the configuration.
#pragma once

#include <optional>
#include <string_view>

#include "model/flow.h"
#include "model/path.h"

namespace hairpin {

// What the engine that will carry the flow can do. An engine differs from the model in nothing else.
struct Abilities {
    bool foreign_source = true;  // sends from addresses that are not the gateway's own, so `keep` and `map` work
    bool cross_family = true;    // reaches an IPv6 backend for an IPv4 client, and the reverse
};

// The backend that balancing chose for a flow.
struct Choice {
    size_t backend = 0;  // index into Service::backends
};

struct Flow {
    const Service* service = nullptr;  // owned by the ruleset
    Path path = Path::external;
    SourcePolicy source = SourcePolicy::external;  // what the service's policy came down to; never `automatic`
    std::string_view reason;                       // why, in words; static storage
    Leg client;                                    // as it arrives
    Leg backend;  // as it leaves. Source port 0: any free one. Source address unspecified: whichever the route gives
};

// The service that answers at an address of the gateway: listening there, or on the unspecified address and the address
// is the gateway's own.
std::optional<Ruleset::Match> find_asked(const Ruleset& ruleset, const Topology& topology, Protocol protocol,
                                         const Endpoint& asked);

// What becomes of a packet that `client` sends, if `choice` is its backend. Pure.
//
// Nothing (nullopt) where no service listens on the destination, where it listens on the unspecified address and the
// destination is not the gateway's own, where the choice does not exist, or where the families of client and backend
// differ and the engine cannot cross them; nor where the service keeps the client out (model/admission.h), or denies it
// itself as a backend (`self`). Otherwise:
//
//   destination  the backend's address; the port at the same distance from the start of its range as the one asked
//   source       by policy:
//     auto       keep for the paths external and routed, external for peer, self and local
//     external   the address that the client asked, free port. Where nobody would answer it from there (another family
//                than the backend's; loopback or link-local towards a backend elsewhere; not the gateway's own and the
//                engine must own what it sends from): gateway
//     gateway    the gateway's address that faces the backend, free port
//     map        for peer and self, the client's host bits in the prefix of its family and the client's port, so that
//                the backend can tell its neighbours apart; no suitable prefix: external. Other paths as auto
//     keep       the client's address and port; where the engine cannot, the families differ, or it is a loopback or
//                link-local address towards a backend elsewhere: external
std::optional<Flow> translate(const Ruleset& ruleset, const Topology& topology, const Leg& client, Choice choice,
                              Abilities abilities = {});

// The same for a client that the service's lists are not asked about: one that they have let in, or whose PROXY header
// will name another one.
std::optional<Flow> translate_admitted(const Ruleset& ruleset, const Topology& topology, const Leg& client,
                                       Choice choice, Abilities abilities = {});

// What becomes of a client on the path external, whoever that is (its address is 0.0.0.0 or ::), that asks this address
// of the service and gets this backend. Lists and limits are not asked. Ports and protocol say nothing. Nothing
// (nullopt) where the families differ and the engine cannot cross them. `service` must outlive the flow. Pure.
std::optional<Flow> translate_from_outside(const Service& service, const Topology& topology, const Ip& asked,
                                           const Backend& backend, Abilities abilities);

// The slots of those backends to which translate() leads the client, and that `self` of the service leaves it
// (model/slots.h), as indices into Service::backends. Empty: none takes its flow.
Slots slots_for(const Ruleset& ruleset, const Topology& topology, const Leg& client, Abilities abilities = {});

// The backend that the client's address chooses among them; nothing where there is none, or where they take turns.
std::optional<Choice> choose_by_source(const Ruleset& ruleset, const Topology& topology, const Leg& client,
                                       Abilities abilities = {});

}  // namespace hairpin
