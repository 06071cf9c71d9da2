#include "model/listen_index.h"

#include <algorithm>
#include <string_view>
#include <tuple>

namespace hairpin {
namespace {

// Those of a service of both protocols are seen twice.
std::vector<std::pair<Place, Place>> each_once(std::vector<std::pair<Place, Place>> pairs) {
    std::ranges::sort(pairs);
    pairs.erase(std::unique(pairs.begin(), pairs.end()), pairs.end());
    return pairs;
}

}  // namespace

ListenIndex::ListenIndex(std::span<const Service> services) {
    for (size_t s = 0; s < services.size(); ++s) {
        for (size_t i = 0; i < services[s].listen.size(); ++i) {
            for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
                if (!includes(services[s].protocols, protocol)) continue;
                const bool followed = i >= services[s].listen.size() - services[s].followed.size();
                entries_.push_back({protocol, services[s].listen[i], {s, Place::Key::listen, i}, followed});
            }
        }
    }
    std::ranges::sort(entries_, {},
                      [](const Entry& entry) { return std::tie(entry.protocol, entry.endpoint, entry.place); });
    reach_.resize(entries_.size());
    for (size_t i = 0; i < entries_.size(); ++i) {
        const bool goes_on = i > 0 && same_address(i - 1, i) &&
                             entries_[reach_[i - 1]].endpoint.ports.last > entries_[i].endpoint.ports.last;
        reach_[i] = goes_on ? reach_[i - 1] : i;
    }
}

bool ListenIndex::same_address(size_t a, size_t b) const {
    return entries_[a].protocol == entries_[b].protocol && entries_[a].endpoint.ip == entries_[b].endpoint.ip;
}

const ListenIndex::Entry* ListenIndex::find(Protocol protocol, const EndpointRange& range) const {
    const auto after = std::ranges::upper_bound(
        entries_, std::tuple(protocol, range.ip, range.ports.last), {},
        [](const Entry& entry) { return std::tuple(entry.protocol, entry.endpoint.ip, entry.endpoint.ports.first); });
    if (after == entries_.begin()) return nullptr;
    const Entry& entry = entries_[reach_[static_cast<size_t>(after - entries_.begin()) - 1]];
    const bool found =
        entry.protocol == protocol && entry.endpoint.ip == range.ip && entry.endpoint.ports.overlaps(range.ports);
    return found ? &entry : nullptr;
}

std::vector<std::pair<Place, Place>> ListenIndex::overlaps() const {
    std::vector<std::pair<Place, Place>> pairs;
    const auto add = [&](const Entry& a, const Entry& b) {
        const bool a_is_later = std::tie(a.followed, a.place) > std::tie(b.followed, b.place);
        pairs.emplace_back(a_is_later ? a.place : b.place, a_is_later ? b.place : a.place);
    };
    for (size_t i = 0; i < entries_.size(); ++i) {
        const auto& [protocol, endpoint, place, followed] = entries_[i];
        if (i > 0 && same_address(i - 1, i)) {
            const Entry& before = entries_[reach_[i - 1]];
            if (before.endpoint.ports.overlaps(endpoint.ports)) add(entries_[i], before);
        }
        if (endpoint.ip.is_unspecified()) continue;
        if (const Entry* all = find(protocol, {Ip::any(endpoint.ip.family()), endpoint.ports})) {
            add(entries_[i], *all);
        }
    }
    return each_once(std::move(pairs));
}

std::vector<std::pair<Place, Place>> overlaps_on_links(std::span<const Service> services) {
    struct Listener {
        Protocol protocol;
        std::string_view link;
        PortRange ports;
        Place place;
    };
    std::vector<Listener> listeners;
    for (size_t s = 0; s < services.size(); ++s) {
        for (size_t i = 0; i < services[s].listen_links.size(); ++i) {
            const LinkListen& on = services[s].listen_links[i];
            for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
                if (!includes(services[s].protocols, protocol)) continue;
                listeners.push_back({protocol, on.link, on.ports, {s, Place::Key::listen_links, i}});
            }
        }
    }
    std::ranges::sort(listeners, {}, [](const Listener& listener) {
        return std::tie(listener.protocol, listener.link, listener.ports, listener.place);
    });
    std::vector<std::pair<Place, Place>> pairs;
    const Listener* furthest = nullptr;  // of those on the same link, up to here
    for (const Listener& listener : listeners) {
        const bool same = furthest && furthest->protocol == listener.protocol && furthest->link == listener.link;
        if (same && furthest->ports.overlaps(listener.ports)) {
            pairs.emplace_back(std::max(listener.place, furthest->place), std::min(listener.place, furthest->place));
        }
        if (!same || furthest->ports.last < listener.ports.last) furthest = &listener;
    }
    return each_once(std::move(pairs));
}

}  // namespace hairpin
