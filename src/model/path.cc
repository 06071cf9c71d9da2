#include "model/path.h"

#include <algorithm>

namespace hairpin {
namespace {

// Whether this network of a link holds the router to the rest of the world, or an address that the gateway shows it.
bool faces_outside(const Ruleset& ruleset, const Topology& topology, int link, const Prefix& network) {
    const auto is_way_out = [&](const Route& route) {
        return route.destination.length == 0 && route.link == link && route.via &&
               route.destination.address.family() == network.address.family() &&
               (network.contains(*route.via) || route.via->is_link_local());
    };
    const auto is_shown = [&](const Address& own) {
        return own.link == link && network.contains(own.ip) && ruleset.is_external_address(own.ip);
    };
    return std::ranges::any_of(topology.routes(), is_way_out) || std::ranges::any_of(topology.addresses(), is_shown);
}

bool leads_outside(const Ruleset& ruleset, const Topology& topology, const Route* route) {
    if (!route || route->destination.length == 0) return true;
    if (!route->via) return faces_outside(ruleset, topology, route->link, route->destination);
    if (route->via->is_link_local()) {  // every link has a network of these: the link itself says more
        const Prefix all = Prefix::of(Ip::any(route->destination.address.family()), 0);
        return faces_outside(ruleset, topology, route->link, all);
    }
    const Route* hop = topology.route_to(*route->via);
    return hop && !hop->via && faces_outside(ruleset, topology, hop->link, hop->destination);
}

// Whether the backend reaches the client, or the router that both share, without passing the gateway.
bool meet_before_us(const Topology& topology, const Ip& client, const Ip& backend) {
    const Route* to_client = topology.route_to(client);
    const Route* to_backend = topology.route_to(backend);
    if (!to_client || !to_backend || to_client->link != to_backend->link) return false;
    if (to_backend->via || to_client == to_backend) return true;
    // A route to a single host may hide the network that both lie in.
    return std::ranges::any_of(topology.routes(), [&](const Route& route) {
        return !route.via && route.link == to_backend->link && route.destination.length > 0 &&
               route.destination.contains(client) && route.destination.contains(backend);
    });
}

}  // namespace

bool is_peer(const Topology& topology, const Ip& client, const Ip& backend) {
    return !topology.owns(backend) && meet_before_us(topology, client, backend);
}

bool is_outside(const Ruleset& ruleset, const Topology& topology, const Ip& client) {
    return leads_outside(ruleset, topology, topology.route_to(client));
}

bool faces_only_outside(const Ruleset& ruleset, const Topology& topology, int link) {
    bool outside = false;
    for (const Route& route : topology.routes()) {
        if (route.link != link || route.destination.address.is_link_local()) continue;
        if (!leads_outside(ruleset, topology, &route)) return false;
        outside = true;
    }
    return outside;
}

Path path_of(const Ruleset& ruleset, const Topology& topology, const Ip& client, const Ip& backend) {
    if (topology.owns(client)) return Path::local;
    if (client == backend) return Path::self;
    if (is_peer(topology, client, backend)) return Path::peer;
    return is_outside(ruleset, topology, client) ? Path::external : Path::routed;
}

}  // namespace hairpin
