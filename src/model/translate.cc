#include "model/translate.h"

#include <algorithm>

#include "model/admission.h"
#include "model/slots.h"

namespace hairpin {
namespace {

// One flow on its way to a source address: what is known before the source is decided.
struct Decision {
    const Topology& topology;
    const Abilities abilities;
    Flow flow;

    bool same_family() const { return flow.client.source.ip.family() == flow.backend.destination.ip.family(); }

    void use(SourcePolicy source, Endpoint address, std::string_view reason) {
        flow.source = source;
        flow.backend.source = address;
        flow.reason = reason;
    }

    void gateway(std::string_view reason) {
        const Ip& backend = flow.backend.destination.ip;
        const Ip source = topology.source_towards(backend).value_or(Ip::any(backend.family()));
        use(SourcePolicy::gateway, {source, 0}, reason);
    }

    void external(std::string_view reason) {
        const Ip& asked = flow.client.destination.ip;
        const Ip& backend = flow.backend.destination.ip;
        if (asked.family() != backend.family()) {
            return gateway("the external address is of another family than the backend");
        }
        if (asked.is_loopback() && !backend.is_loopback()) {
            return gateway("the external address is a loopback address, which the backend could not answer");
        }
        if (asked.is_link_local() && !backend.is_link_local()) {
            return gateway("the external address is a link-local address, which means nothing beyond its link");
        }
        if (!topology.owns(asked) && !abilities.foreign_source) {
            return gateway("the external address is not the gateway's own, and this engine sends only from those");
        }
        use(SourcePolicy::external, {asked, 0}, reason);
    }

    void keep(std::string_view reason) {
        if (!abilities.foreign_source) {
            return external("this engine opens connections of its own and cannot send from the client's address");
        }
        if (!same_family()) return external("the client's address is of another family than the backend");
        if (flow.client.source.ip.is_loopback() && !flow.backend.destination.ip.is_loopback()) {
            return external("the client's address is a loopback address, which the backend could not answer");
        }
        if (flow.client.source.ip.is_link_local() && !flow.backend.destination.ip.is_link_local()) {
            return external("the client's address is a link-local address, which means nothing beyond its link");
        }
        use(SourcePolicy::keep, flow.client.source, reason);
    }

    // Two clients never share a mapped address: only hosts of the backend's own network are mapped.
    void map() {
        if (flow.path != Path::peer && flow.path != Path::self) return automatic();
        const Endpoint& client = flow.client.source;
        const auto& prefixes = flow.service->source_map;
        const auto prefix =
            std::ranges::find_if(prefixes, [&](const Prefix& p) { return p.address.family() == client.ip.family(); });
        if (!abilities.foreign_source) {
            return external("this engine opens connections of its own and cannot send from a mapped address");
        }
        if (prefix == prefixes.end() || !same_family()) {
            return external("no prefix is given that suits the families of client and backend");
        }
        use(SourcePolicy::map, {prefix->with_host_of(client.ip), client.port},
            "the client's host bits in the mapped prefix say which client called");
    }

    void automatic() {
        switch (flow.path) {
            case Path::external:
                return keep("an external client's replies pass the gateway, so the backend may see who called");
            case Path::routed:
                return keep("replies to another subnet pass the gateway, so the backend may see who called");
            case Path::peer:
                return external("a reply to a peer would go straight to it on the wire, from the wrong address");
            case Path::self:
                return external("the backend would drop a packet from the wire that bears its own address");
            case Path::local:
                return external("a process on the gateway calls from the address that it asked");
        }
    }

    void decide() {
        switch (flow.service->source) {
            case SourcePolicy::automatic:
                return automatic();
            case SourcePolicy::external:
                return external("the service says so");
            case SourcePolicy::gateway:
                return gateway("the service says so");
            case SourcePolicy::map:
                return map();
            case SourcePolicy::keep:
                return keep("the service says so");
        }
    }
};

}  // namespace

std::optional<Ruleset::Match> find_asked(const Ruleset& ruleset, const Topology& topology, Protocol protocol,
                                         const Endpoint& asked) {
    auto match = ruleset.find(protocol, asked);
    if (match && match->listen->ip.is_unspecified() && !topology.owns(asked.ip)) return std::nullopt;
    return match;
}

std::optional<Flow> translate(const Ruleset& ruleset, const Topology& topology, const Leg& client, Choice choice,
                              Abilities abilities) {
    const auto match = find_asked(ruleset, topology, client.protocol, client.destination);
    if (!match || !admits(*match->service, client.source.ip)) return std::nullopt;
    return translate_admitted(ruleset, topology, client, choice, abilities);
}

std::optional<Flow> translate_admitted(const Ruleset& ruleset, const Topology& topology, const Leg& client,
                                       Choice choice, Abilities abilities) {
    const auto match = find_asked(ruleset, topology, client.protocol, client.destination);
    if (!match) return std::nullopt;
    if (choice.backend >= match->service->backends.size()) return std::nullopt;

    const Backend& backend = match->service->backends[choice.backend];
    if (match->service->self == SelfPolicy::deny && backend.endpoint.ip == client.source.ip) return std::nullopt;
    const Endpoint destination = {backend.endpoint.ip, backend_port(*match->listen, client.destination.port, backend)};
    if (client.source.ip.family() != destination.ip.family() && !abilities.cross_family) return std::nullopt;

    Decision decision{topology, abilities, {}};
    decision.flow.service = match->service;
    decision.flow.path = path_of(ruleset, topology, client.source.ip, destination.ip);
    decision.flow.client = client;
    decision.flow.backend = {client.protocol, {}, destination};
    decision.decide();
    return decision.flow;
}

std::optional<Flow> translate_from_outside(const Service& service, const Topology& topology, const Ip& asked,
                                           const Backend& backend, Abilities abilities) {
    if (asked.family() != backend.endpoint.ip.family() && !abilities.cross_family) return std::nullopt;
    Decision decision{topology, abilities, {}};
    decision.flow.service = &service;
    decision.flow.path = Path::external;
    decision.flow.client = {Protocol::tcp, {Ip::any(asked.family()), 0}, {asked, 0}};
    decision.flow.backend.destination = {backend.endpoint.ip, 0};
    decision.decide();
    return decision.flow;
}

Slots slots_for(const Ruleset& ruleset, const Topology& topology, const Leg& client, Abilities abilities) {
    const auto match = find_asked(ruleset, topology, client.protocol, client.destination);
    if (!match) return {};
    const std::vector<Backend>& backends = match->service->backends;
    std::vector<const Backend*> reachable;
    for (size_t i = 0; i < backends.size(); ++i) {
        if (translate(ruleset, topology, client, {i}, abilities)) reachable.push_back(&backends[i]);
    }
    Slots slots = slots_of(*match->service, reachable, client.source.ip);
    for (uint16_t& slot : slots) slot = static_cast<uint16_t>(reachable[slot] - backends.data());
    return slots;
}

std::optional<Choice> choose_by_source(const Ruleset& ruleset, const Topology& topology, const Leg& client,
                                       Abilities abilities) {
    const auto match = find_asked(ruleset, topology, client.protocol, client.destination);
    if (!match || !is_by_source(match->service->balance)) return std::nullopt;
    const Slots slots = slots_for(ruleset, topology, client, abilities);
    if (slots.empty()) return std::nullopt;
    return Choice{slots[source_hash(client.source.ip, slots.size())]};
}

}  // namespace hairpin
