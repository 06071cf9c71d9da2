// Services and the network around the gateway to parts of the table. Pure.
#pragma once

#include <map>
#include <vector>

#include "engines/nft/table.h"
#include "model/ruleset.h"
#include "model/topology.h"
#include "model/translate.h"

namespace hairpin::nft {

// What this engine can do: packets keep whatever source they have, and stay of their family.
inline constexpr Abilities nft_abilities{.foreign_source = true, .cross_family = false};

// Why the kernel cannot serve a backend for clients of an endpoint, in words; empty: it can.
std::string_view obstacle(const EndpointRange& listen, const Backend& backend);

// The addresses at which clients reach an endpoint: its own, or where that is unspecified, all of the gateway's that
// packets are routed to.
std::vector<Ip> asked_addresses(const Ip& listen, const Topology& topology);

// Compiles the services of one topology. One thread.
class Compiler {
public:
    explicit Compiler(Topology topology) : topology_(std::move(topology)) {}
    const Topology& topology() const { return topology_; }

    // What a service adds.
    Part service(const Service& service);

private:
    void add_endpoint(Part& part, const Service& service, const EndpointRange& listen);
    void add_backend(Part& part, const Service& service, const Ip& backend);
    // All backends behind one route have the same peers.
    struct Behind {
        std::vector<Prefix> peers;
        std::vector<Prefix> backends;
    };
    const Behind& behind(const Route& route, const Ip& backend);

    const Topology topology_;
    std::map<const Route*, Behind> behind_;
};

// What depends on where the gateway stands, and on all services together.
Part surroundings(const Ruleset& ruleset, const Topology& topology);

}  // namespace hairpin::nft
