#include "engines/packets.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "model/slots.h"

namespace hairpin {
namespace {

// Whether packets to and from such addresses pass a router at all (RFC 4291 2.5.6).
bool is_routed(const Ip& ip) { return !ip.is_loopback() && (ip.is_v4() || !ip.is_link_local()); }

// What the kernel must hold for clients that are backends, each of which has slots of its own, at most: with `prefer`
// these are its own few.
size_t own_slots_at_most(const Service& service) {
    if (service.self == SelfPolicy::allow) return 0;
    const size_t clients = service.backends.size();
    return service.self == SelfPolicy::prefer ? clients : clients * slots_of(service).size();
}
constexpr size_t most_own_slots = 1 << 18;

void add_obstacles(const Service& service, std::vector<Gap>& gaps) {
    const size_t written = service.listen.size() - service.followed.size();  // links have what addresses they have
    for (size_t i = 0; i < service.listen.size(); ++i) {
        const EndpointRange& listen = service.listen[i];
        bool closes = i < written && is_closed(service, listen);
        for (const Backend& backend : service.backends) {
            const auto why = obstacle(listen, backend);
            if (why.empty()) continue;
            const bool loopback = listen.ip.is_loopback() || backend.endpoint.ip.is_loopback();
            gaps.push_back({.service = service.name,
                            .message = fmt::format("{} is not led to {}: {}; use engine: proxy", listen.str(),
                                                   backend.endpoint.str(), why),
                            .fatal = loopback,
                            .closes = std::exchange(closes, false)});
        }
    }
}

}  // namespace

std::vector<Gap> packet_gaps(const Ruleset& ruleset, std::string_view limit) {
    std::vector<Gap> gaps;
    const Service unset;
    for (const Service& service : ruleset.services()) {
        const auto add = [&](std::string message, bool fatal = false) {
            gaps.push_back({service.name, std::move(message), fatal});
        };
        if (service.send_proxy != ProxyHeader::none || !service.accept_proxy_from.empty()) {
            add("proxy_protocol: the kernel's NAT changes addresses and not what a connection carries; use engine: "
                "proxy",
                true);
        }
        add_obstacles(service, gaps);
        if (service.balance == Balance::least_connections) {
            add("balance: least_connections: the kernel does not count the flows of a backend; use engine: proxy, or "
                "balance: round_robin",
                true);
        }
        if (service.health && service.health->passive) {
            add("health.passive: the kernel passes packets on and does not see whether a backend accepts clients; use "
                "engine: proxy, or checks alone",
                true);
        }
        if (own_slots_at_most(service) > most_own_slots) {
            add(fmt::format("self: {}: the kernel would hold a table for each of {} backends, which are too many; use "
                            "engine: proxy, or fewer backends",
                            name(service.self), service.backends.size()),
                true);
        }
        if (service.max_sessions != unset.max_sessions) {
            add(fmt::format("max_sessions: {}", limit));
        }
        if (service.connect_timeout != unset.connect_timeout) {
            add("connect_timeout: the client itself waits for its backend, and hears its refusal; no other one is "
                "tried");
        }
    }
    return gaps;
}

std::string_view obstacle(const EndpointRange& listen, const Backend& backend) {
    const Ip& ip = backend.endpoint.ip;
    if (listen.ip.family() != ip.family()) return "the kernel's NAT cannot join IPv4 and IPv6";
    if (listen.ip.is_loopback()) return "packets to a loopback address never leave the machine";
    if (ip.is_loopback()) return "packets from elsewhere are never delivered to a loopback address";
    return {};
}

std::vector<const Backend*> answering(const Service& service, const EndpointRange& listen) {
    std::vector<const Backend*> backends;
    for (const Backend& backend : service.backends) {
        if (obstacle(listen, backend).empty()) backends.push_back(&backend);
    }
    return backends;
}

bool is_closed(const Service& service, const EndpointRange& listen) {
    const auto takes = [](const Backend* backend) { return backend->weight > 0; };
    return takes_new_flows(service) && std::ranges::none_of(answering(service, listen), takes);
}

std::vector<Ip> asked_addresses(const Ip& listen, const Topology& topology) {
    if (!listen.is_unspecified()) return {listen};
    std::vector<Ip> addresses;
    for (const Address& own : topology.addresses()) {
        if (own.ip.family() == listen.family() && is_routed(own.ip)) addresses.push_back(own.ip);
    }
    return addresses;
}

}  // namespace hairpin
