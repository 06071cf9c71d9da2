#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "lab/plan.h"
#include "model/admission.h"
#include "model/slots.h"

namespace hairpin::lab {
namespace {

// One endpoint of one service, as clients ask it.
struct Asked {
    const Service& service;
    Protocol protocol;
    Endpoint endpoint;
    const EndpointRange& listen;
};

class ProbePlanner {
public:
    ProbePlanner(Plan& plan, const Ruleset& ruleset, Abilities abilities, Limits limits)
        : plan_(plan), ruleset_(ruleset), abilities_(abilities), limits_(limits) {}

    void add_all() {
        size_t left_out = 0;
        for (const Service& service : ruleset_.services()) {
            if (plan_.rows() < limits_.rows) {
                add(service);
                if (service.limits.any())
                    leave_out(service.name,
                              "limits hold in a lab, too: where they are narrow, questions are refused, and rows fail");
            } else {
                ++left_out;
            }
        }
        for (const auto& [what, subjects] : gone_) note(joined(subjects) + ": " + what);
        if (left_out > 0) {
            note("the last " + std::to_string(left_out) + " services are left out: a lab has room for " +
                 std::to_string(limits_.rows) + " rows");
        }
    }

private:
    void add(const Service& service) {
        const size_t first = plan_.probes.size();
        for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
            if (!includes(service.protocols, protocol)) continue;
            for (const EndpointRange& listen : service.listen) {
                std::set<int> ports = {listen.ports.first, (listen.ports.first + listen.ports.last) / 2,
                                       listen.ports.last};
                for (const int port : ports) {
                    const auto endpoint = reachable(protocol, listen, static_cast<uint16_t>(port));
                    if (endpoint) add({service, protocol, *endpoint, listen});
                }
                if (listen.ports.size() > 3) {
                    note(service.name + ": of the ports " + listen.str() +
                         " the first, the middle and the last are asked");
                }
            }
            add_direct(service, protocol);
        }
        const auto is_asked_with_header = [](const Probe& probe) { return probe.accept != ProxyHeader::none; };
        if (!service.accept_proxy_from.empty() && std::none_of(plan_.probes.begin() + static_cast<ptrdiff_t>(first),
                                                               plan_.probes.end(), is_asked_with_header)) {
            leave_out(service.name, "not asked with a PROXY header: no client can stand at an address of accept_from");
        }
        for (const EndpointRange& listen : service.listen) say_left_out(service, listen);
    }

    // Names the paths that add() and add_direct() have no client for.
    void say_left_out(const Service& service, const EndpointRange& listen) {
        const std::string at = service.name + " at " + listen.str();
        if (listen.ip.is_loopback()) {
            leave_out(at, "no external, routed, peer and self: only the gateway itself reaches a loopback address");
        }
        for (const Backend& backend : service.backends) {
            const Family family = backend.endpoint.ip.family();
            if (host_of(backend.endpoint.ip) == 0) {
                leave_out(service.name + " to " + backend.endpoint.str(),
                          "no peer, self and direct: the backend runs on the gateway");
            } else if (family != listen.ip.family() && !listen.ip.is_loopback()) {
                leave_out(at, "no peer and self: no " + std::string(name(listen.ip.family())) +
                                  " client stands beside an " + std::string(name(family)) + " backend");
            }
        }
    }

    // Where a client asks for this port of a range; for the unspecified address, at the first address of the gateway
    // that no other service has to itself.
    std::optional<Endpoint> reachable(Protocol protocol, const EndpointRange& listen, uint16_t port) const {
        if (!listen.ip.is_unspecified()) return Endpoint{listen.ip, port};
        for (const Address& own : plan_.gateway().addresses) {
            if (own.ip.family() != listen.ip.family()) continue;
            const auto match = ruleset_.find(protocol, {own.ip, port});
            if (match && match->listen == &listen) return Endpoint{own.ip, port};
        }
        return std::nullopt;
    }

    void add(const Asked& asked) {
        const Family family = asked.endpoint.ip.family();
        if (!asked.endpoint.ip.is_loopback()) {
            add_from_outside(asked);
            add_from_behind(asked);
            if (const HostPlan* routed = plan_.host("routed")) {
                if (const auto ip = routed->address(family)) add(asked, index_of(*routed), *ip, any);
            }
            add_from_peers(asked);
            for (const Backend& backend : asked.service.backends) {
                const Ip& ip = backend.endpoint.ip;
                const size_t host = host_of(ip);
                if (host != 0 && ip.family() == family) add(asked, host, ip, name(Path::self));
            }
        }
        add(asked, 0, asked.endpoint.ip, any);
    }

    // The external client asks from beyond a router (an address without a network), or else from the network of the
    // endpoint, where it stands in several.
    void add_from_outside(const Asked& asked) {
        const HostPlan& client = plan_.hosts[1];
        const Ip& endpoint = asked.endpoint.ip;
        for (const Address& own : client.addresses) {
            if (own.ip.family() != endpoint.family() || own.link != ext.index) continue;
            const bool beyond = own.network() == Prefix::of(own.ip, own.ip.is_v4() ? 32 : 128);
            if (beyond || own.network().contains(endpoint)) return add(asked, 1, own.ip, any);
        }
        if (const auto ip = client.address(endpoint.family())) add(asked, 1, *ip, any);
    }

    // As the senders that the service takes PROXY headers from, and as those whom alone it lets in.
    void add_from_behind(const Asked& asked) {
        for (const Address& own : plan_.hosts[1].addresses) {
            if (own.link != behind.index || own.ip.family() != asked.endpoint.ip.family()) continue;
            const bool is_listed = !asked.service.allow.empty() && admits(asked.service, own.ip);
            if (is_listed || expects_header(asked.service, own.ip)) add(asked, 1, own.ip, any);
        }
    }

    // One neighbour for each network that holds backends of the endpoint's family.
    void add_from_peers(const Asked& asked) {
        std::set<Prefix> met;
        for (const Backend& backend : asked.service.backends) {
            const Ip& ip = backend.endpoint.ip;
            if (host_of(ip) == 0 || ip.family() != asked.endpoint.ip.family()) continue;
            const Neighbour peer = neighbour(asked.service, ip);
            if (peer.host != 0 && met.insert(peer.network).second) {
                add(asked, peer.host, peer.ip, name(Path::peer));
            }
        }
    }

    // A neighbour that asks the backend itself: the gateway must not be in the way.
    void add_direct(const Service& service, Protocol protocol) {
        for (size_t i = 0; i < service.backends.size(); ++i) {
            const Endpoint backend = service.backends[i].endpoint.first();
            const Neighbour peer = host_of(backend.ip) != 0 ? neighbour(service, backend.ip) : Neighbour{};
            if (peer.host == 0) continue;
            const Leg leg = {protocol, {peer.ip, 0}, backend};
            serve(host_of(backend.ip), protocol, backend);
            plan_.probes.push_back({service.name,
                                    peer.host,
                                    leg,
                                    ProxyHeader::none,
                                    ProxyHeader::none,
                                    {{i, host_of(backend.ip), direct, leg, true, true, {}}}});
            return;
        }
    }

    // Adds the probe of one client. `path`: only backends on this path become rows; `any`: all of them.
    void add(const Asked& asked, size_t host, const Ip& client, std::string_view path) {
        const Service& service = asked.service;
        if (!admits(service, client)) {
            return leave_out(service.name, "not asked by the clients that allow and deny keep out");
        }
        Probe probe{service.name, host, {asked.protocol, {client, 0}, asked.endpoint}, {}, service.send_proxy, {}};
        if (expects_header(service, client))
            probe.accept = asked.protocol == Protocol::tcp ? ProxyHeader::v1 : ProxyHeader::v2;
        for (size_t i = 0; i < service.backends.size(); ++i) {
            const Endpoint backend = {service.backends[i].endpoint.ip,
                                      backend_port(asked.listen, asked.endpoint.port, service.backends[i])};
            serve(host_of(backend.ip), asked.protocol, backend);
            probe.answers.push_back(expect(probe.asked, i, backend, path));
        }
        const Slots slots = slots_for(ruleset_, plan_.topology, probe.asked, abilities_);
        if (slots.empty() && service.self == SelfPolicy::deny && takes_new_flows(service)) {
            return leave_out(service.name, "not asked by a backend that has nobody but itself, for self: deny");
        }
        for (Expectation& answer : probe.answers) {
            if (service.self == SelfPolicy::allow || std::ranges::count(slots, answer.backend) > 0) continue;
            answer.row = false;
            leave_out(service.name, fmt::format("not asked by a backend of those that self: {} keeps from it",
                                                hairpin::name(service.self)));
        }
        if (const auto chosen = choose_by_source(ruleset_, plan_.topology, probe.asked, abilities_)) {
            for (Expectation& answer : probe.answers) answer.row &= answer.backend == chosen->backend;
            leave_out(service.name, "not asked of every backend by every client: " +
                                        std::string(name(service.balance)) + " gives each client one");
        } else {
            probe.turns = slots.size();
        }
        for (Expectation& answer : probe.answers) {
            if (service.backends[answer.backend].weight > 0) continue;
            answer.row = false;
            leave_out(service.name, "not asked of backends of weight 0, which take no new flows");
        }
        const bool has_row = std::ranges::any_of(probe.answers, &Expectation::row);
        if (has_row) plan_.probes.push_back(std::move(probe));
    }

    Expectation expect(const Leg& asked, size_t backend, const Endpoint& endpoint, std::string_view path) const {
        Expectation expectation{backend, host_of(endpoint.ip), {}, {}, false, false, {}};
        const auto flow = translate(ruleset_, plan_.topology, asked, {backend}, abilities_);
        if (flow) {
            expectation.leg = flow->backend;
            expectation.same_port = flow->source == SourcePolicy::keep || flow->source == SourcePolicy::map;
        } else {
            expectation.leg = {asked.protocol, {Ip::any(endpoint.ip.family()), 0}, endpoint};
            expectation.gap = "the engine cannot join IPv4 and IPv6";
        }
        expectation.path = name(path_of(ruleset_, plan_.topology, asked.source.ip, endpoint.ip));
        expectation.row = path == any || (expectation.path == path && (path != name(Path::self) || flow));
        return expectation;
    }

    struct Neighbour {
        size_t host = 0;  // 0: none
        Ip ip;
        Prefix network;
    };

    // A host in the backend's network that is no backend of this service.
    Neighbour neighbour(const Service& service, const Ip& backend) const {
        const Route* route = plan_.topology.route_to(backend);
        for (size_t host = 2; host < plan_.hosts.size(); ++host) {
            for (const Address& own : plan_.hosts[host].addresses) {
                const bool serves = std::ranges::any_of(
                    service.backends, [&](const Backend& other) { return other.endpoint.ip == own.ip; });
                if (!serves && route && route->destination.contains(own.ip)) {
                    return {host, own.ip, route->destination};
                }
            }
        }
        return {};
    }

    // The gateway runs what no other host holds.
    size_t host_of(const Ip& ip) const {
        for (size_t host = 1; host < plan_.hosts.size(); ++host) {
            if (plan_.hosts[host].holds(ip)) return host;
        }
        return 0;
    }

    size_t index_of(const HostPlan& host) const { return static_cast<size_t>(&host - plan_.hosts.data()); }

    void serve(size_t host, Protocol protocol, const Endpoint& endpoint) {
        auto& servers = plan_.hosts[host].servers;
        if (served_.insert({protocol, endpoint}).second) servers.push_back({protocol, endpoint});
    }

    // What is not asked, or may be in vain, and why, for all subjects that have it in common.
    void leave_out(const std::string& subject, const std::string& what) {
        auto known = std::ranges::find(gone_, what, &Gone::what);
        if (known == gone_.end()) known = gone_.insert(known, {what, {}});
        if (!std::ranges::count(known->subjects, subject)) known->subjects.push_back(subject);
    }

    static std::string joined(const std::vector<std::string>& words) {
        std::string text;
        for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
        return text;
    }

    void note(std::string text) {
        if (!std::ranges::count(plan_.notes, text)) plan_.notes.push_back(std::move(text));
    }

    static constexpr std::string_view any = "";

    struct Gone {
        std::string what;
        std::vector<std::string> subjects;
    };

    Plan& plan_;
    const Ruleset& ruleset_;
    const Abilities abilities_;
    const Limits limits_;
    std::set<ServerPlan> served_;
    std::vector<Gone> gone_;
};

}  // namespace

void add_probes(Plan& plan, const Ruleset& ruleset, Abilities abilities, Limits limits) {
    ProbePlanner(plan, ruleset, abilities, limits).add_all();
}

}  // namespace hairpin::lab
