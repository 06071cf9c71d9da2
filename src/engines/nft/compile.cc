#include "engines/nft/compile.h"

#include <fmt/format.h>

#include <algorithm>

#include "engines/nft/frame.h"
#include "engines/nft/limits.h"
#include "engines/packets.h"
#include "model/path.h"
#include "model/regions.h"
#include "model/slots.h"

namespace hairpin::nft {
namespace {

// A route of which many others take parts, as they do of the default route, leads to as many networks. Up to so many
// are paired with their peers once, for all backends there; beyond, each backend is on its own.
constexpr size_t most_networks = 64;

std::string_view keyword(const Ip& ip) { return ip.is_v4() ? "ip" : "ip6"; }

std::string text(const PortRange& range) {
    return range.size() == 1 ? fmt::format("{}", range.first) : fmt::format("{}-{}", range.first, range.last);
}

Definition chain(std::string_view name, std::string body) {
    std::string unique = fmt::format("{}.{}", name, digest(body));
    return {Definition::Kind::chain, std::move(unique), std::move(body)};
}

// A chain of one service. nft(8) takes no other letters; a service given on the command line is called like its
// endpoint.
Definition chain_of(const Service& service, std::string body) {
    std::string called = service.name;
    std::ranges::replace_if(
        called, [](char c) { return c == ':' || c == '[' || c == ']'; }, '_');
    return chain(fmt::format("to.{}", called), std::move(body));
}

std::string goto_chain(const Definition& definition) { return "goto " + definition.name; }

std::string to_one(const EndpointRange& listen, const Backend& backend) {
    const Ip& ip = backend.endpoint.ip;
    if (backend.endpoint.ports == listen.ports) return fmt::format("dnat {} to {}\n", keyword(ip), ip.str());
    std::string shifted;  // nft(8) cannot add: every port is said
    for (int port = listen.ports.first; port <= listen.ports.last; ++port) {
        const auto asked = static_cast<uint16_t>(port);
        shifted += fmt::format("{}{} : {}", shifted.empty() ? "" : ", ", asked, backend_port(listen, asked, backend));
    }
    return fmt::format("meta l4proto {{ tcp, udp }} dnat {} to {} : th dport map {{ {} }}\n", keyword(ip), ip.str(),
                       shifted);
}

std::string first_port_of(const Backend& backend) {
    return fmt::format("{} . {}", backend.endpoint.ip.str(), backend.endpoint.ports.first);
}

// An expression that numbers a slot: whose turn it is, or whose the client is.
std::string slot(Balance balance, std::string_view ip, size_t slots) {
    if (!is_by_source(balance)) return fmt::format("numgen inc mod {}", slots);
    return fmt::format("jhash {} saddr mod {} seed {:#x}", ip, slots, source_hash_seed);
}

// Those of a family, as nft(8) takes them in a set; nothing where it is all of them, for which it has no interval.
std::optional<std::string> set_of(const PrefixList& list, Family family) {
    std::string text;
    for (const Prefix& prefix : list.disjoint()) {
        if (prefix.address.family() != family) continue;
        if (prefix.length == 0) return std::nullopt;
        text.append(text.empty() ? "" : ", ").append(prefix.str());
    }
    return text;
}

// The chain from which only those clients return whom the service lets in; nothing where it lets everybody in. A set of
// the rule's own, so that it goes with the chain.
std::optional<Definition> admission_chain(const Service& service, Family family) {
    const std::string_view ip = family == Family::v4 ? "ip" : "ip6";
    const std::string refuse = "goto " + for_family("denied", family) + "\n";
    const auto denied = set_of(service.deny, family);
    if (!denied) return chain("admit", refuse);
    std::string body;
    if (!denied->empty()) body += fmt::format("{} saddr {{ {} }} {}", ip, *denied, refuse);
    const auto allowed = set_of(service.allow, family);
    if (allowed && !service.allow.empty()) {
        if (!allowed->empty()) body += fmt::format("{} saddr {{ {} }} return\n", ip, *allowed);
        body += refuse;
    }
    return body.empty() ? std::nullopt : std::optional(chain("admit", std::move(body)));
}

std::optional<Definition> admit(Part& part, const Service& service, Family family) {
    auto admission = admission_chain(service, family);
    if (admission) part.definitions.push_back(*admission);
    return admission;
}

// The chain of a service that does so after it has asked whom it lets in, and how many.
Definition chain_behind(const std::optional<Definition>& admission, const std::optional<Definition>& limits,
                        const Service& service, const std::string& body) {
    std::string first;
    for (const auto& asked : {admission, limits}) {
        if (asked) first += fmt::format("jump {}\n", asked->name);
    }
    return chain_of(service, first + body);
}

// What the chain of one endpoint does that chooses among its backends. Their slots are not joined into intervals: few
// neighbours are alike, and a hash finds them faster than a tree.
std::string choice(Part& part, const Service& service, const EndpointRange& listen,
                   const std::vector<const Backend*>& backends, const Slots& slots) {
    const bool one_port = listen.ports.size() == 1;
    if (slots.size() == 1) return to_one(listen, *backends[slots.front()]);
    std::vector<std::string> target(backends.size());
    for (size_t i = 0; i < backends.size(); ++i) {
        if (one_port) {
            target[i] = first_port_of(*backends[i]);
        } else if (backends[i]->weight > 0) {
            part.definitions.push_back(chain_of(service, to_one(listen, *backends[i])));
            target[i] = goto_chain(part.definitions.back());
        }
    }
    std::string choices;
    for (size_t i = 0; i < slots.size(); ++i) {
        choices.append(i == 0 ? "" : ", ").append(std::to_string(i)).append(" : ").append(target[slots[i]]);
    }
    const std::string_view ip = keyword(listen.ip);
    const std::string number = slot(service.balance, ip, slots.size());
    if (!one_port) return fmt::format("{} vmap {{ {} }}\n", number, choices);
    return fmt::format("meta l4proto {{ tcp, udp }} dnat {} to {} map {{ {} }}\n", ip, number, choices);
}

// Leads those clients elsewhere that are backends themselves, as `self` of the service says; everybody else goes on.
std::string lead_backends(Part& part, const Service& service, const EndpointRange& listen,
                          const std::vector<const Backend*>& backends) {
    const Family family = listen.ip.family();
    std::string led;
    for (const OwnSlots& own : own_slots(service, backends)) {
        std::string where = "goto " + for_family("denied", family);
        if (!own.slots.empty()) {
            const Definition chosen = chain_of(service, choice(part, service, listen, backends, own.slots));
            part.definitions.push_back(chosen);
            where = goto_chain(chosen);
        }
        led.append(led.empty() ? "" : ", ").append(own.client.str()).append(" : ").append(where);
    }
    return led.empty() ? "" : fmt::format("{} saddr vmap {{ {} }}\n", keyword(listen.ip), led);
}

// The chain of a source policy; one of the frame's, except for `map`.
std::string source_chain(Part& part, const Service& service, Family family) {
    if (service.source != SourcePolicy::map) return for_family(name(service.source), family);
    const auto prefix =
        std::ranges::find_if(service.source_map, [&](const Prefix& p) { return p.address.family() == family; });
    // Without a prefix of the family, those who would be mapped show the external address: as with `auto`.
    if (prefix == service.source_map.end()) return for_family(name(SourcePolicy::automatic), family);
    const std::string_view ip = keyword(prefix->address);
    part.definitions.push_back(chain("map", fmt::format("snat {} prefix to {}\n", ip, prefix->str())));
    const std::string mapped = goto_chain(part.definitions.back());
    part.definitions.push_back(
        chain("map", fmt::format("fib saddr type local goto {1}\n"
                                 "{0} saddr . {0} daddr @{2} {4}\n"
                                 "{0} saddr . {0} daddr @{3} {4}\n",
                                 ip, for_family(name(SourcePolicy::external), family), for_family("self", family),
                                 for_family("peers", family), mapped)));
    return part.definitions.back().name;
}

// The policy of timeouts for a service's TCP: the frame's, or one that is added to it.
std::string tcp_policy(Part& part, const Service& service, Family family) {
    if (!service.tcp_idle_timeout) return for_family("tcp", family);
    const auto idle = std::max<std::chrono::seconds>(std::chrono::ceil<std::chrono::seconds>(*service.tcp_idle_timeout),
                                                     least_time_established);
    part.definitions.push_back({Definition::Kind::timeout,
                                fmt::format("{}.{}", for_family("tcp", family), idle.count()),
                                tcp_timeouts(family, idle)});
    return part.definitions.back().name;
}

// The chain that a service's flows pass when their backend is known.
Definition profile(Part& part, const Service& service, Family family) {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(service.idle_timeout).count();
    const Definition timeout{Definition::Kind::timeout, fmt::format("{}.{}", for_family("udp", family), seconds),
                             fmt::format("protocol udp; l3proto {}\npolicy = {{ unreplied : {}, replied : {} }}\n",
                                         family == Family::v4 ? "ip" : "ip6", seconds, seconds)};
    part.definitions.push_back(timeout);
    return chain("profile", fmt::format("jump {}\n"
                                        "meta l4proto tcp ct timeout set \"{}\"\n"
                                        "meta l4proto udp ct timeout set \"{}\"\n"
                                        "goto {}\n",
                                        for_family("path", family), tcp_policy(part, service, family), timeout.name,
                                        source_chain(part, service, family)));
}

// Leads those who ask an endpoint to its backends.
void lead(Part& part, const Service& service, const EndpointRange& listen, const std::vector<const Backend*>& backends,
          const Slots& slots) {
    const Family family = listen.ip.family();
    const Definition treatment = profile(part, service, family);
    part.definitions.push_back(treatment);
    const bool one_port = listen.ports.size() == 1;
    const auto admission = admit(part, service, family);
    const std::string backends_led = lead_backends(part, service, listen, backends);
    std::optional<Definition> chosen;
    const auto limits = limit(part, service, family);
    if (admission || limits || !backends_led.empty() || !one_port || slots.size() > 1) {
        chosen =
            chain_behind(admission, limits, service, backends_led + choice(part, service, listen, backends, slots));
        part.definitions.push_back(*chosen);
    }
    const std::string ports_asked = text(listen.ports);
    for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
        if (!includes(service.protocols, protocol)) continue;
        std::string key = fmt::format("{} . {} . {}", listen.ip.str(), name(protocol), ports_asked);
        if (chosen) {
            part.elements.push_back(
                {for_family(one_port ? "balance" : "balance_range", family), key, goto_chain(*chosen)});
        } else {
            part.elements.push_back({for_family("to", family), key, first_port_of(*backends[slots.front()])});
        }
        part.elements.push_back(
            {for_family(one_port ? "profile" : "profile_range", family), std::move(key), goto_chain(treatment)});
    }
    part.elements.push_back({for_family("ours", family), listen.ip.str(), {}});
}

}  // namespace

Part Compiler::service(const Service& service) {
    Part part;
    for (const EndpointRange& listen : service.listen) {
        for (const Ip& ip : asked_addresses(listen.ip, topology_)) add_endpoint(part, service, {ip, listen.ports});
    }
    return part;
}

void Compiler::add_endpoint(Part& part, const Service& service, const EndpointRange& listen) {
    const auto backends = answering(service, listen);
    const Slots slots = slots_of(service.balance, backends);
    if (slots.empty()) {
        refuse(part, service, listen);
    } else {
        lead(part, service, listen, backends, slots);
    }
    for (const Backend* backend : backends) add_backend(part, service, backend->endpoint.ip);
}

// Nobody else is to answer there, such as a program on the gateway itself.
void Compiler::refuse(Part& part, const Service& service, const EndpointRange& listen) {
    const Family family = listen.ip.family();
    std::string where = "goto " + for_family("no_backend", family);
    if (const auto admission = admit(part, service, family)) {
        part.definitions.push_back(chain_behind(admission, {}, service, where + "\n"));
        where = goto_chain(part.definitions.back());
    }
    for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
        if (!includes(service.protocols, protocol)) continue;
        part.elements.push_back({for_family(listen.ports.size() == 1 ? "balance" : "balance_range", family),
                                 fmt::format("{} . {} . {}", listen.ip.str(), name(protocol), text(listen.ports)),
                                 where});
    }
    part.elements.push_back({for_family("ours", family), listen.ip.str(), {}});
}

void Compiler::add_backend(Part& part, const Service& service, const Ip& backend) {
    const Family family = backend.family();
    const std::string address = backend.str();
    part.elements.push_back({for_family("self", family), fmt::format("{0} . {0}", address), {}});
    if (service.source == SourcePolicy::gateway) {
        if (const auto facing = topology_.source_towards(backend)) {
            part.elements.push_back({for_family("facing", family), address, facing->str()});
            part.elements.push_back({for_family("ours", family), facing->str(), {}});
        }
    }
    if (topology_.owns(backend)) return;
    if (family == Family::v6) {
        part.elements.push_back({"redirected", address, {}});
        part.elements.push_back({"redirected_to", fmt::format("0x{:02x}", fmt::join(backend.bytes(), "")), {}});
    }
    if (backend.is_private()) part.elements.push_back({for_family("private_backends", family), address, {}});
    const Route* route = topology_.route_to(backend);
    if (!route) return;
    const Behind& all = behind(*route, backend);
    const bool few = all.backends.size() <= most_networks;
    for (const Prefix& beside : few ? all.backends : std::vector{Prefix::of(backend, backend.is_v4() ? 32 : 128)}) {
        for (const Prefix& peer : all.peers) {
            part.elements.push_back(
                {for_family("peers", family), fmt::format("{} . {}", peer.str(), beside.str()), {}});
        }
    }
}

// Disjoint on both sides, as an interval set wants it.
const Compiler::Behind& Compiler::behind(const Route& route, const Ip& backend) {
    if (const auto known = behind_.find(&route); known != behind_.end()) return known->second;
    const Family family = backend.family();
    const auto peers = regions(topology_, family, [&](const Ip& ip) { return is_peer(topology_, ip, backend); });
    const auto backends = regions(topology_, family, [&](const Ip& ip) { return topology_.route_to(ip) == &route; });
    return behind_.emplace(&route, Behind{peers, backends}).first->second;
}

Part surroundings(const Ruleset& ruleset, const Topology& topology) {
    Part part;
    for (const Link& link : topology.links()) {
        if (link.name == "lo" || !faces_only_outside(ruleset, topology, link.index)) continue;
        part.elements.push_back({"outside", fmt::format("\"{}\"", link.name), {}});
    }
    for (const Family family : all_families) {
        const auto inside = regions(topology, family, [&](const Ip& ip) { return !is_outside(ruleset, topology, ip); });
        for (const Prefix& prefix : inside) part.elements.push_back({for_family("inside", family), prefix.str(), {}});
    }
    return part;
}

}  // namespace hairpin::nft
