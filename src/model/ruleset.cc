#include "model/ruleset.h"

#include <algorithm>
#include <tuple>

namespace hairpin {
namespace {

auto key(Protocol protocol, const Ip& ip, uint16_t port) { return std::tuple(protocol, ip, port); }

}  // namespace

Ruleset::Ruleset(std::vector<Service> services) : services_(std::move(services)) {
    for (const Service& service : services_) {
        for (const EndpointRange& listen : service.listen) {
            for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
                if (includes(service.protocols, protocol)) index_.push_back({protocol, &listen, &service});
            }
        }
    }
    std::ranges::sort(index_, {}, [](const Entry& entry) {
        return key(entry.protocol, entry.listen->ip, entry.listen->ports.first);
    });
}

std::optional<Ruleset::Match> Ruleset::find(Protocol protocol, const Endpoint& destination) const {
    if (auto match = find_exact(protocol, destination)) return match;
    return find_exact(protocol, {Ip::any(destination.ip.family()), destination.port});
}

std::optional<Ruleset::Match> Ruleset::find_exact(Protocol protocol, const Endpoint& destination) const {
    const auto wanted = key(protocol, destination.ip, destination.port);
    const auto after = std::ranges::upper_bound(index_, wanted, {}, [](const Entry& entry) {
        return key(entry.protocol, entry.listen->ip, entry.listen->ports.first);
    });
    if (after == index_.begin()) return std::nullopt;
    const Entry& entry = *std::prev(after);
    if (entry.protocol != protocol || !entry.listen->contains(destination)) return std::nullopt;
    return Match{entry.service, entry.listen};
}

bool Ruleset::is_external_address(const Ip& ip) const {
    for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
        const auto first = std::ranges::lower_bound(index_, key(protocol, ip, 0), {}, [](const Entry& entry) {
            return key(entry.protocol, entry.listen->ip, entry.listen->ports.first);
        });
        if (first != index_.end() && first->protocol == protocol && first->listen->ip == ip) return true;
    }
    return false;
}

uint16_t backend_port(const EndpointRange& listen, uint16_t asked, const Backend& backend) {
    return static_cast<uint16_t>(backend.endpoint.ports.first + (asked - listen.ports.first));
}

bool leads_to(const Service& service, const EndpointRange& listen, uint16_t asked, const Endpoint& backend) {
    return std::ranges::any_of(service.backends, [&](const Backend& candidate) {
        return backend == Endpoint{candidate.endpoint.ip, backend_port(listen, asked, candidate)};
    });
}

}  // namespace hairpin
