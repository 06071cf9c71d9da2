// What happens to one flow, and why: what `hairpin explain` finds out of a configuration, and a running daemon of what
// it serves. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engines/engine.h"
#include "model/admission.h"
#include "model/translate.h"

namespace hairpin {

// An engine, as far as an explanation needs to know it.
struct EngineView {
    std::string name;
    Abilities abilities;
    std::vector<Gap> gaps;
};

// One stretch of the way, there or back. Port 0: any free one; an unspecified address: whichever the route gives.
struct Stretch {
    std::string_view from, to;  // "client", "gateway", "backend"
    Endpoint source, destination;
};

// A flow to one backend through one engine.
struct Passage {
    std::string engine;
    SourcePolicy source = SourcePolicy::external;
    std::string reason{};  // of the source; or why there is no passage: then there are no stretches
    std::vector<Stretch> stretches{};
    std::string problem{};  // not empty: why the flow will fail
};

struct BackendView {
    Endpoint endpoint;  // with the port that answers for the one asked
    uint32_t weight = 1;
    Path path = Path::external;
    std::string reason;           // of the path
    std::string route_to_client;  // "10.0.0.0/24 on eth1", "default via 10.0.0.254 on eth0", "none"
    std::string route_to_backend;
    std::vector<Passage> passages;  // by engine
};

// The backend that an engine gives to this client by its address.
struct Chosen {
    std::string engine;
    Endpoint backend;
};

struct Explanation {
    Leg client;                         // port 0: any
    std::string network;                // whose addresses and routes these are, in words
    const Service* service = nullptr;   // owned by the ruleset; null: no service listens there
    std::string listen;                 // what the destination fell into
    bool client_unknown = false;        // a PROXY header will tell who it is, and it is judged then
    std::string admission;              // in words, whether the service lets the client in; empty: it has no lists
    std::optional<Denial> denial;       // why it does not; then there are no backends
    std::string counted;                // the client, or its prefix, as limits count it; empty: there are none
    std::vector<Chosen> chosen;         // by engine; empty where backends take turns or the client is unknown
    std::vector<BackendView> backends;  // all that could be chosen, if not by this client
    std::vector<std::string> notes;     // what the engines cannot do; without a service: what may have been meant
};

// Precondition: both ends of `client` are of one family. `only`: no other backend address than this one.
Explanation explain(const Ruleset& ruleset, const Topology& topology, const Leg& client,
                    std::span<const EngineView> engines, std::optional<Ip> only = {});

// What to say of a backend that the service does not have.
Error no_such_backend(const Service& service, const Ip& backend);

// The protocol that the endpoint serves: tcp where it serves both or none.
Protocol protocol_served(const Ruleset& ruleset, const Endpoint& endpoint);

// As `hairpin explain --json` prints it, and the API answers.
nlohmann::ordered_json to_json(const Explanation& explanation);

}  // namespace hairpin
