// The network that a configuration describes, and what is to be proven in it. Pure.
//
//   client ── ext ── gateway ── int ── switch ── server1, server2, ..., peer
//                       └────── int2 ── routed
//
// What a configuration leaves open is filled in: networks are /24 and /64 around the addresses it names (wider where
// one of them would be no host in that), the gateway takes the first free address of each inside network, clients take
// free ones. The client holds further addresses behind itself where a service expects PROXY headers from there,
// or lets in only who comes from there.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/ruleset.h"
#include "model/topology.h"
#include "model/translate.h"

namespace hairpin::lab {

// Wires of the lab, by the name and the interface index of the gateway's link on each. Address::link and Route::link of
// every planned host are one of these.
inline const Link ext{2, "ext"};
inline const Link inside{3, "int"};
inline const Link inside2{4, "int2"};
// No wire: what a host holds here lies behind it, and the gateway has a route there through it.
inline const Link behind{1, "lo"};

// A socket that answers on a host.
struct ServerPlan {
    Protocol protocol = Protocol::tcp;
    Endpoint endpoint;

    auto operator<=>(const ServerPlan&) const = default;
};

struct HostPlan {
    std::string name;  // "gateway", "client", "routed", "server1", ..., "peer1", ...
    std::vector<Address> addresses;
    std::vector<Route> routes;
    std::vector<ServerPlan> servers;

    std::optional<Ip> address(Family family) const;  // the first one
    bool holds(const Ip& ip) const;
    int link() const { return addresses.empty() ? 0 : addresses.front().link; }  // of all but the gateway
};

// The path of a client that asks the backend itself and not the service: the gateway has no part in it.
inline constexpr std::string_view direct = "direct";

// What must be seen if one certain backend answers a probe.
struct Expectation {
    size_t backend = 0;      // index into Service::backends
    size_t host = 0;         // where the backend runs: index into Plan::hosts
    std::string_view path;   // names_of<Path>, or `direct`
    Leg leg;                 // as it reaches the backend; source: Flow::backend.source
    bool same_port = false;  // the source port is the client's own, too
    bool row = false;        // is to be proven; otherwise only verified when balancing happens to choose it
    std::string_view gap;    // not empty: why the engine cannot carry this flow; it is not probed
};

// One question, asked by one client: it is asked again until every backend with a row has answered.
struct Probe {
    std::string service;
    size_t client = 0;                       // index into Plan::hosts
    Leg asked;                               // source port 0: any
    ProxyHeader accept = ProxyHeader::none;  // the header that the client must begin with
    ProxyHeader send = ProxyHeader::none;    // the header that the backend must receive
    std::vector<Expectation> answers;        // by backend
    size_t turns = 0;                        // where backends take turns: after so many, each has had its share
};

struct Plan {
    std::vector<HostPlan> hosts;  // the gateway is the first, the external client the second
    Topology topology;            // the gateway's
    std::vector<Probe> probes;
    std::vector<std::string> notes;  // what was left out or put together, in words

    const HostPlan& gateway() const { return hosts.front(); }
    const HostPlan* host(std::string_view name) const;  // null: no such host
    size_t rows() const;
};

// Plan::host() for a person: the error lists the hosts there are.
Result<const HostPlan*> find_host(const Plan& plan, std::string_view name);

// How large a lab may grow; what lies beyond is left out with a note.
struct Limits {
    size_t servers = 16;  // hosts with backends; further backend addresses share them
    size_t rows = 600;
};

// All of it. Precondition: validate() found no error in the services of `ruleset`. `abilities` are those of the engine
// that will run.
Plan make_plan(const Ruleset& ruleset, Abilities abilities = {}, Limits limits = {});

// Its two halves: hosts and topology; then probes, and the servers that answer them.
Plan plan_network(const Ruleset& ruleset, Limits limits = {});
void add_probes(Plan& plan, const Ruleset& ruleset, Abilities abilities = {}, Limits limits = {});

}  // namespace hairpin::lab
