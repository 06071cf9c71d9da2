#include "model/check_origin.h"

#include <algorithm>
#include <vector>

namespace hairpin {
namespace {

// The addresses of this family at which clients outside ask the service, in the order of preference.
std::vector<Ip> asked_addresses(const Service& service, const Topology& topology, Family family) {
    std::vector<Ip> asked;
    for (const EndpointRange& listen : service.listen) {
        if (listen.ip.family() != family) continue;
        if (!listen.ip.is_unspecified()) {
            asked.push_back(listen.ip);
            continue;
        }
        if (const auto facing_the_world = topology.source_towards(listen.ip)) asked.push_back(*facing_the_world);
        for (const Address& own : topology.addresses()) {
            if (own.ip.family() == family && !own.deprecated) asked.push_back(own.ip);
        }
    }
    std::erase_if(asked, [](const Ip& ip) { return ip.is_loopback() || ip.is_link_local(); });
    return asked;
}

// The link by which a backend is met. Empty: there is no route, or there are several that are as good.
std::string link_towards(const Topology& topology, const Ip& backend) {
    const Route* route = topology.route_to(backend);
    if (!route) return {};
    const Route* const end = topology.routes().data() + topology.routes().size();  // they stand in order
    for (const Route* other = route + 1; other != end && other->destination == route->destination; ++other) {
        if (other->metric == route->metric && other->link != route->link) return {};
    }
    const Link* link = topology.link(route->link);
    return link ? link->name : "";
}

}  // namespace

Result<std::optional<CheckOrigin>> check_origin(const Service& service, const Topology& topology,
                                                const Backend& backend, Abilities abilities) {
    const Ip& to = backend.endpoint.ip;
    if (topology.owns(to)) return std::optional<CheckOrigin>();
    bool needed = false;
    for (const Ip& asked : asked_addresses(service, topology, to.family())) {
        const auto flow = translate_from_outside(service, topology, asked, backend, abilities);
        if (!flow || flow->source == SourcePolicy::gateway) continue;
        needed = true;
        const bool kept = flow->source == SourcePolicy::keep;
        if (!topology.owns(asked) || (kept && is_peer(topology, asked, to))) continue;
        return std::optional(CheckOrigin{asked, abilities.foreign_source ? link_towards(topology, to) : ""});
    }
    if (!needed) return std::optional<CheckOrigin>();
    return Error{
        "health.via: endpoint: none of its " + std::string(name(to.family())) +
        " addresses can stand for clients, which takes one that is this gateway's own and not on the backend's "
        "wire; give the gateway one of them (ip address add), or write via: backend, as it is checked now"};
}

}  // namespace hairpin
