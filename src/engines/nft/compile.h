// Services and the network around the gateway to parts of the table. Pure.
#pragma once

#include <map>
#include <vector>

#include "engines/nft/table.h"
#include "model/ruleset.h"
#include "model/topology.h"

namespace hairpin::nft {

// Compiles the services of one topology. One thread.
class Compiler {
public:
    explicit Compiler(Topology topology) : topology_(std::move(topology)) {}
    const Topology& topology() const { return topology_; }

    // What a service adds.
    Part service(const Service& service);

private:
    void add_endpoint(Part& part, const Service& service, const EndpointRange& listen);
    static void refuse(Part& part, const Service& service, const EndpointRange& listen);
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
