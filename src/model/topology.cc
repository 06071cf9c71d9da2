#include "model/topology.h"

#include <algorithm>
#include <span>
#include <tuple>

namespace hairpin {
namespace {

// How many leading bits of the address's network the other one shares.
int common_bits(const Address& own, const Ip& other) {
    int bits = own.prefix_length;
    while (bits > 0 && Prefix::of(own.ip, bits) != Prefix::of(other, bits)) --bits;
    return bits;
}

}  // namespace

Topology::Topology(std::vector<Link> links, std::vector<Address> addresses, std::vector<Route> routes,
                   std::vector<Prefix> local)
    : links_(std::move(links)), addresses_(std::move(addresses)), routes_(std::move(routes)), local_(std::move(local)) {
    for (const Address& address : addresses_) {
        const bool known = std::ranges::any_of(routes_, [&](const Route& route) {
            return route.destination == address.network() && route.link == address.link;
        });
        if (!known) routes_.push_back({address.network(), std::nullopt, address.link, 0});
    }
    std::ranges::stable_sort(routes_, {}, [](const Route& route) {
        return std::tuple(-route.destination.length, route.destination.address, route.metric);
    });
    for (auto first = routes_.begin(); first != routes_.end();) {
        const int length = first->destination.length;
        const auto end = std::ranges::find_if(first, routes_.end(),
                                              [&](const Route& route) { return route.destination.length != length; });
        lengths_.push_back(
            {length, static_cast<size_t>(first - routes_.begin()), static_cast<size_t>(end - routes_.begin())});
        first = end;
    }
}

bool Topology::owns(const Ip& ip) const {
    return ip.is_loopback() || std::ranges::any_of(addresses_, [&](const Address& own) { return own.ip == ip; }) ||
           std::ranges::any_of(local_, [&](const Prefix& own) { return own.contains(ip); });
}

const Route* Topology::route_to(const Ip& ip) const {
    for (const Length& length : lengths_) {
        if (ip.is_v4() && length.length > 32) continue;
        const std::span routes(routes_.data() + length.begin, length.end - length.begin);
        const Prefix wanted = Prefix::of(ip, length.length);
        const auto route =
            std::ranges::lower_bound(routes, wanted.address, {}, [](const Route& r) { return r.destination.address; });
        if (route != routes.end() && route->destination == wanted) return &*route;
    }
    return nullptr;
}

std::optional<Ip> Topology::source_towards(const Ip& destination) const {
    if (owns(destination)) return destination;
    const Route* route = route_to(destination);
    if (!route) return std::nullopt;
    if (route->source && owns(*route->source)) return route->source;
    const Ip towards = destination.is_v4() ? route->via.value_or(destination) : destination;
    const auto rank = [&](const Address& own) {
        return std::tuple(!own.deprecated, own.network().contains(towards), common_bits(own, towards));
    };
    const Address* best = nullptr;
    for (const Address& own : addresses_) {
        if (own.link != route->link || own.ip.family() != destination.family()) continue;
        // RFC 6724 rule 2: an IPv6 next hop is mostly link-local, and would draw a source that answers nobody beyond.
        if (own.ip.is_link_local() && !destination.is_link_local()) continue;
        if (!best || rank(own) > rank(*best)) best = &own;
    }
    if (!best) return std::nullopt;
    return best->ip;
}

const Link* Topology::link(int index) const {
    const auto link = std::ranges::find(links_, index, &Link::index);
    return link == links_.end() ? nullptr : &*link;
}

}  // namespace hairpin
