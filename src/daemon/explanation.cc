#include "daemon/explanation.h"

#include <fmt/core.h>

#include <algorithm>

#include "model/slots.h"

namespace hairpin {
namespace {

std::string describe(const Topology& topology, const Ip& ip) {
    if (topology.owns(ip)) return "none: it is the gateway's own address";
    const Route* route = topology.route_to(ip);
    if (!route) return "none";
    const Link* link = topology.link(route->link);
    const std::string to = route->destination.length == 0 ? "default" : route->destination.str();
    const std::string via = route->via ? " via " + route->via->str() : "";
    return fmt::format("{}{} on {}", to, via, link ? link->name : "link " + std::to_string(route->link));
}

std::string_view meaning(Path path) {
    switch (path) {
        case Path::external:
            return "the client is beyond the gateway's outside";
        case Path::routed:
            return "the client is inside on another subnet, and replies to it pass the gateway";
        case Path::peer:
            return "the client is beside the backend, and a reply would not pass the gateway";
        case Path::self:
            return "the client is the backend itself";
        case Path::local:
            return "the client is a process on the gateway";
    }
    return {};
}

// Why a flow that leaves like this will not work; empty if it will.
std::string problem_of(const Topology& topology, const Flow& flow) {
    const Ip& backend = flow.backend.destination.ip;
    if (!topology.owns(backend) && !topology.route_to(backend)) {
        return fmt::format("the gateway has no route to {}: add one", backend.str());
    }
    if (flow.source == SourcePolicy::keep && (flow.path == Path::peer || flow.path == Path::self)) {
        return fmt::format("the reply comes from {}, which the client never called: set source: auto",
                           flow.backend.destination.str());
    }
    return {};
}

std::vector<Stretch> stretches_of(const Flow& flow) {
    const Leg& in = flow.client;
    const Leg& out = flow.backend;
    std::vector<Stretch> stretches = {{"client", "gateway", in.source, in.destination},
                                      {"gateway", "backend", out.source, out.destination}};
    if (flow.source == SourcePolicy::keep && flow.path == Path::peer) {
        stretches.push_back({"backend", "client", out.destination, out.source});
    } else if (!(flow.source == SourcePolicy::keep && flow.path == Path::self)) {
        stretches.push_back({"backend", "gateway", out.destination, out.source});
        stretches.push_back({"gateway", "client", in.destination, in.source});
    }
    return stretches;
}

// What keeps the engine from starting with this service, or null.
const Gap* refusal(const EngineView& engine, const Service& service) {
    const auto gap = std::ranges::find_if(
        engine.gaps, [&](const Gap& candidate) { return candidate.fatal && candidate.service == service.name; });
    return gap == engine.gaps.end() ? nullptr : &*gap;
}

// Whether a client that is itself a backend is led to others than this one.
bool is_passed_over(const Ruleset& ruleset, const Topology& topology, const Leg& client, const Service& service,
                    Choice choice, const EngineView& engine) {
    const Ip& caller = client.source.ip;
    const auto calls = [&](const Backend& backend) { return backend.endpoint.ip == caller; };
    if (service.self == SelfPolicy::allow || expects_header(service, caller)) return false;
    if (service.backends[choice.backend].weight == 0 || std::ranges::none_of(service.backends, calls)) return false;
    return std::ranges::count(slots_for(ruleset, topology, client, engine.abilities), choice.backend) == 0;
}

Passage pass(const Ruleset& ruleset, const Topology& topology, const Leg& client, const Service& service, Choice choice,
             const EngineView& engine) {
    if (const Gap* gap = refusal(engine, service)) {
        return {.engine = engine.name, .reason = "this engine refuses to start with this service: " + gap->message};
    }
    const auto flow = translate_admitted(ruleset, topology, client, choice, engine.abilities);
    const bool is_itself = client.source.ip == service.backends[choice.backend].endpoint.ip;
    if (is_passed_over(ruleset, topology, client, service, choice, engine) && (flow || is_itself)) {
        return {.engine = engine.name,
                .reason = fmt::format("the client is {}, and self: {} {}", is_itself ? "this backend" : "a backend",
                                      name(service.self), is_itself ? "keeps it from itself" : "leads it to itself")};
    }
    if (!flow) {
        return {.engine = engine.name, .reason = "this engine cannot cross from one address family to the other"};
    }
    return {.engine = engine.name,
            .source = flow->source,
            .reason = std::string(flow->reason),
            .stretches = stretches_of(*flow),
            .problem = problem_of(topology, *flow)};
}

BackendView view_of(const Ruleset& ruleset, const Topology& topology, const Leg& client, const Ruleset::Match& match,
                    Choice choice, std::span<const EngineView> engines) {
    const Backend& backend = match.service->backends[choice.backend];
    const Ip& ip = backend.endpoint.ip;
    BackendView view;
    view.endpoint = {ip, backend_port(*match.listen, client.destination.port, backend)};
    view.weight = backend.weight;
    view.path = path_of(ruleset, topology, client.source.ip, ip);
    view.reason = meaning(view.path);
    view.route_to_client = describe(topology, client.source.ip);
    view.route_to_backend = describe(topology, ip);
    for (const EngineView& engine : engines) {
        view.passages.push_back(pass(ruleset, topology, client, *match.service, choice, engine));
    }
    return view;
}

std::vector<Chosen> choose(const Ruleset& ruleset, const Topology& topology, const Leg& client,
                           const Ruleset::Match& match, std::span<const EngineView> engines) {
    std::vector<Chosen> chosen;
    for (const EngineView& engine : engines) {
        const auto choice = choose_by_source(ruleset, topology, client, engine.abilities);
        if (!choice || refusal(engine, *match.service)) continue;
        const Backend& backend = match.service->backends[choice->backend];
        chosen.push_back(
            {engine.name, {backend.endpoint.ip, backend_port(*match.listen, client.destination.port, backend)}});
    }
    return chosen;
}

// The client as limits count it.
std::string counted(const Ruleset& ruleset, const Topology& topology, const Ip& client) {
    const Ip ip = counted_client(ruleset, topology, client);
    return ip == client ? ip.str() : Prefix::of(ip, subscriber_bits).str();
}

// Whether the service lets the client in, and by which of its lists; empty where it has none.
std::string admission_of(const Explanation& explanation) {
    const Service& service = *explanation.service;
    if (service.allow.empty() && service.deny.empty()) return {};
    if (explanation.client_unknown)
        return "judged by the address that its PROXY header names, or by its own if that names none";
    const std::string client = explanation.client.source.ip.str();
    if (!explanation.denial)
        return client + (service.allow.empty() ? " is not in deny" : " is in allow and not denied");
    const auto& prefix = explanation.denial->prefix;
    return client + (prefix ? " is in deny: " + prefix->str() : " is not in allow");
}

// What may have been meant by an endpoint that no service listens on, likeliest first.
std::vector<std::string> hints(const Ruleset& ruleset, const Leg& client) {
    constexpr size_t most = 8;
    const Endpoint& asked = client.destination;
    const Protocol other = client.protocol == Protocol::tcp ? Protocol::udp : Protocol::tcp;
    std::vector<std::string> found;
    if (const auto match = ruleset.find(other, asked)) {
        found.push_back(
            fmt::format("{} listens there for {}: add --protocol {}", match->service->name, name(other), name(other)));
    }
    for (const Service& service : ruleset.services()) {
        for (const Backend& backend : service.backends) {
            if (found.size() == most) return found;
            if (!backend.endpoint.contains(asked)) continue;
            found.push_back(fmt::format("{} is a backend of {}: who can reach it directly needs no gateway",
                                        asked.str(), service.name));
        }
    }
    for (const Service& service : ruleset.services()) {
        for (const EndpointRange& listen : service.listen) {
            if (found.size() == most) return found;
            const bool near = listen.ip == asked.ip || listen.ports.contains(asked.port);
            if (near) found.push_back(fmt::format("{} listens on {}", service.name, listen.str()));
        }
    }
    return found;
}

}  // namespace

Error no_such_backend(const Service& service, const Ip& backend) {
    return {fmt::format("{} has no backend {}: leave out --backend to see all of them", service.name, backend.str())};
}

Protocol protocol_served(const Ruleset& ruleset, const Endpoint& endpoint) {
    const bool only_udp = !ruleset.find(Protocol::tcp, endpoint) && ruleset.find(Protocol::udp, endpoint);
    return only_udp ? Protocol::udp : Protocol::tcp;
}

Explanation explain(const Ruleset& ruleset, const Topology& topology, const Leg& client,
                    std::span<const EngineView> engines, std::optional<Ip> only) {
    Explanation explanation;
    explanation.client = client;
    const auto match = find_asked(ruleset, topology, client.protocol, client.destination);
    if (!match) {
        explanation.notes = hints(ruleset, client);
        return explanation;
    }
    const Service& service = *match->service;
    explanation.service = &service;
    explanation.listen = match->listen->str();
    explanation.client_unknown = expects_header(service, client.source.ip);
    if (!explanation.client_unknown) {
        explanation.denial = denial(service, client.source.ip);
        if (service.limits.any()) explanation.counted = counted(ruleset, topology, client.source.ip);
        explanation.chosen = choose(ruleset, topology, client, *match, engines);
    }
    explanation.admission = admission_of(explanation);
    for (size_t i = 0; !explanation.denial && i < service.backends.size(); ++i) {
        if (only && *only != service.backends[i].endpoint.ip) continue;
        explanation.backends.push_back(view_of(ruleset, topology, client, *match, {i}, engines));
    }
    if (!takes_new_flows(service)) explanation.notes.emplace_back("no backend takes new flows: the client is refused");
    for (const EngineView& engine : engines) {
        for (const Gap& gap : engine.gaps) {
            if (gap.service == service.name && !gap.fatal)
                explanation.notes.push_back(engine.name + ": " + gap.message);
        }
    }
    return explanation;
}

}  // namespace hairpin
