#include "model/limits.h"

#include <fmt/format.h>

#include "model/path.h"

namespace hairpin {

Ip counted_client(const Ruleset& ruleset, const Topology& topology, const Ip& client) {
    if (client.is_v4() || topology.owns(client) || !is_outside(ruleset, topology, client)) return client;
    return Prefix::of(client, subscriber_bits).address;
}

std::string reached(Limit limit, uint32_t most) {
    return fmt::format("limits.{}: {} has reached {} {}; what it begins beyond that is refused", name(limit),
                       is_per_client(limit) ? "a client" : "it", most,
                       is_rate(limit) ? "new connections and sessions a second" : "connections and sessions");
}

}  // namespace hairpin
