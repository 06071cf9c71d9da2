// Ruleset -> the sockets that serve it. Pure.
#pragma once

#include <memory>
#include <vector>

#include "model/ruleset.h"

namespace hairpin::proxy {

// One socket to serve, and whose it is.
struct Listen {
    Protocol protocol;
    Endpoint endpoint;
    bool shared;  // every worker has a socket of its own on it; otherwise one worker serves it alone
    const Service* service;
    std::shared_ptr<const Slots> slots;  // of the service

    // The worker that serves an endpoint that is not shared.
    size_t owner(size_t workers) const { return endpoint.port % workers; }
};

// A range of more ports than this costs one socket a port, dealt out to the workers, instead of one a port and worker:
// descriptors are what a large range runs out of.
inline constexpr int shared_range_limit = 64;

// One entry for each port of each external endpoint, by protocol and endpoint. Points into `ruleset`.
std::vector<Listen> compile(const Ruleset& ruleset);

}  // namespace hairpin::proxy
