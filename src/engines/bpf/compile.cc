#include "engines/bpf/compile.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <map>

#include "engines/bpf/convert.h"
#include "engines/bpf/known.h"
#include "engines/packets.h"
#include "model/path.h"
#include "model/regions.h"
#include "model/slots.h"

namespace hairpin::bpf {
namespace {

hp_network network(uint32_t number, const Prefix& prefix) {
    const int mapped = prefix.address.is_v4() ? 96 : 0;
    return {static_cast<uint32_t>(32 + mapped + prefix.length), number, to_wire(prefix.address)};
}

hp_rules rules_of(const Service& service) {
    hp_rules rules{};
    rules.source = static_cast<uint8_t>(service.source);
    rules.balance = static_cast<uint8_t>(service.balance);
    rules.per_second[HP_RATE_OF_CLIENT] = service.limits[Limit::new_per_second_per_client];
    rules.per_second[HP_RATE_OF_SERVICE] = service.limits[Limit::new_per_second];
    for (const Prefix& prefix : service.source_map) {
        const auto family = static_cast<size_t>(prefix.address.family());
        const Ip ones = Ip::from_network(
            std::array<uint8_t, 16>{255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255});
        const Ip all = prefix.address.is_v4() ? Ip::v4(~0U) : ones;
        const Prefix nothing = Prefix::of(Ip::any(prefix.address.family()), prefix.length);
        rules.map_prefix[family] = to_wire(prefix.address);
        rules.map_host[family] = to_wire(nothing.with_host_of(all));
        if (prefix.address.is_v4()) rules.map_host[family].word[2] = 0;  // the mark of IPv4 is the prefix's
        rules.has_map[family] = 1;
    }
    return rules;
}

// Fills the tables of one state.
class Filler {
public:
    Filler(const Desired& desired, Numbers& backends, Numbers& choices, Numbers& own, Numbers& rules, Numbers& networks)
        : ruleset_(desired.ruleset),
          topology_(desired.topology),
          backends_(backends),
          choices_(choices),
          own_(own),
          rules_(rules),
          networks_(networks) {}

    Tables tables;

    void add(const Service& service, uint32_t slot) {
        for (const Backend& backend : service.backends) add_known(service, backend.endpoint, HP_KNOWN_BACKEND);
        hp_rules rules = rules_of(service);
        std::ranges::copy(listed(service.allow), rules.allowed);
        std::ranges::copy(listed(service.deny), rules.denied);
        const uint32_t number = rules_.of(std::string(bytes_of(rules)));
        tables.rules.emplace(number, rules);
        for (const EndpointRange& listen : service.listen) {
            const auto backends = answering(service, listen);
            std::vector<hp_backend> group;
            group.reserve(backends.size());
            for (const Backend* backend : backends) group.push_back(backend_of(*backend));
            const Slots slots = slots_of(service.balance, backends);
            const hp_share share = share_of(group, slots);  // of nobody: clients are refused
            const uint32_t own = number_of(group, own_slots(service, backends));
            for (const Ip& ip : asked_addresses(listen.ip, topology_)) {
                for (int port = listen.ports.first; port <= listen.ports.last; ++port) {
                    const hp_endpoint endpoint{.service = slot,
                                               .rules = number,
                                               .share = share,
                                               .own = own,
                                               .offset = static_cast<uint16_t>(port - listen.ports.first),
                                               .zero = 0};
                    for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
                        if (!includes(service.protocols, protocol)) continue;
                        tables.endpoints.emplace(asked_endpoint(protocol, {ip, static_cast<uint16_t>(port)}), endpoint);
                    }
                }
                add_known(service, {ip, listen.ports}, 0);
            }
        }
    }

    void add_surroundings() {
        for (const Link& link : topology_.links()) {
            if (link.index >= HP_MOST_LINKS) continue;
            hp_link about{};
            std::ranges::copy(link.mac, about.mac);
            about.outside = link.name != "lo" && faces_only_outside(ruleset_, topology_, link.index);
            tables.links.emplace(link.index, about);
        }
        for (const Family family : all_families) {
            add_networks(HP_INSIDE, regions(topology_, family,
                                            [&](const Ip& ip) { return !is_outside(ruleset_, topology_, ip); }));
        }
        std::vector<Prefix> own = topology_.local();
        own.push_back(*Prefix::parse("127.0.0.0/8"));
        own.push_back(*Prefix::parse("::1/128"));
        for (const Address& address : topology_.addresses()) {
            own.push_back(Prefix::of(address.ip, address.ip.is_v4() ? 32 : 128));
        }
        add_networks(HP_OWN, own);
    }

private:
    // `side`: of the address alone, HP_KNOWN_BACKEND for a backend's.
    void add_known(const Service& service, const EndpointRange& ends, uint8_t side) {
        const hp_address address = to_wire(ends.ip);
        const auto add = [&](int port, int protocol) {
            const uint32_t bit =
                hp_known_bit(&address, htons(static_cast<uint16_t>(port)), static_cast<uint8_t>(protocol));
            tables.known[bit / 64] |= uint64_t{1} << (bit % 64);
        };
        for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
            if (!includes(service.protocols, protocol)) continue;
            add(0, to_wire(protocol) | side);
            for (int port = ends.ports.first; port <= ends.ports.last; ++port) add(port, to_wire(protocol));
        }
    }

    hp_backend backend_of(const Backend& backend) {
        const Ip& ip = backend.endpoint.ip;
        const bool own = topology_.owns(ip);
        if (ip.is_private() && !own) tables.guarded.emplace(to_wire(ip), 1);
        return {.address = to_wire(ip),
                .facing = to_wire(topology_.source_towards(ip).value_or(Ip::any(ip.family()))),
                .peers = peers_of(ip),
                .first_port = backend.endpoint.ports.first,
                .zero = 0};
    }

    uint32_t number_of(const std::vector<hp_backend>& group) {
        std::string bytes;
        for (const hp_backend& backend : group) bytes += bytes_of(backend);
        const uint32_t first = backends_.of(std::move(bytes), group.size());
        for (size_t i = 0; i < group.size(); ++i) tables.backends.emplace(first + i, group[i]);
        return first;
    }

    uint32_t number_of(const Slots& slots) {
        std::vector<hp_choices> choices((slots.size() + HP_CHOICES - 1) / HP_CHOICES);
        for (size_t i = 0; i < slots.size(); ++i) choices[i / HP_CHOICES].backend[i % HP_CHOICES] = slots[i];
        std::string bytes(bytes_of(slots.size()));
        for (const hp_choices& some : choices) bytes += bytes_of(some);
        const uint32_t first = choices_.of(std::move(bytes), choices.size());
        for (size_t i = 0; i < choices.size(); ++i) tables.choices.emplace(first + i, choices[i]);
        return first;
    }

    hp_share share_of(const std::vector<hp_backend>& group, const Slots& slots) {
        if (slots.empty()) return {};
        const bool several = slots.size() > 1;
        return {.first_backend = number_of(group) + (several ? 0 : slots.front()),
                .first_choices = several ? number_of(slots) : 0,
                .choices = static_cast<uint32_t>(slots.size())};
    }

    uint32_t number_of(const std::vector<hp_backend>& group, const std::vector<OwnSlots>& clients) {
        if (clients.empty()) return 0;
        std::vector<std::pair<hp_address, hp_share>> shares;
        std::string bytes;
        for (const OwnSlots& client : clients) {
            const auto& [address, share] = shares.emplace_back(to_wire(client.client), share_of(group, client.slots));
            bytes.append(bytes_of(address)).append(bytes_of(share));
        }
        const uint32_t number = own_.of(std::move(bytes));
        for (const auto& [address, share] : shares) tables.own.emplace(hp_client{number, address}, share);
        return number;
    }

    // Backends behind one route have the same peers.
    uint32_t peers_of(const Ip& backend) {
        const Route* route = topology_.owns(backend) ? nullptr : topology_.route_to(backend);
        if (const auto known = behind_.find(route); known != behind_.end()) return known->second;
        std::vector<Prefix> peers;
        if (route) {
            peers = regions(topology_, backend.family(), [&](const Ip& ip) { return is_peer(topology_, ip, backend); });
        }
        return behind_.emplace(route, number_of(peers)).first->second;
    }

    // By family.
    std::array<uint32_t, 2> listed(const PrefixList& list) {
        if (list.empty()) return {};
        const auto known = lists_.find(list.written().data());
        if (known != lists_.end()) return known->second;
        std::array<std::vector<Prefix>, 2> prefixes;
        for (const Prefix& prefix : list.disjoint()) {
            prefixes[static_cast<size_t>(prefix.address.family())].push_back(prefix);
        }
        const std::array numbers{number_of(prefixes[0]), number_of(prefixes[1])};
        return lists_.emplace(list.written().data(), numbers).first->second;
    }

    uint32_t number_of(const std::vector<Prefix>& prefixes) {
        std::string bytes;
        for (const Prefix& prefix : prefixes) bytes += bytes_of(network(0, prefix));
        const uint32_t number = networks_.of(std::move(bytes));
        add_networks(number, prefixes);
        return number;
    }

    void add_networks(uint32_t number, const std::vector<Prefix>& prefixes) {
        for (const Prefix& prefix : prefixes) tables.networks.emplace(network(number, prefix), 1);
    }

    const Ruleset& ruleset_;
    const Topology& topology_;
    Numbers& backends_;
    Numbers& choices_;
    Numbers& own_;
    Numbers& rules_;
    Numbers& networks_;
    std::map<const Route*, uint32_t> behind_;
    std::map<const Prefix*, std::array<uint32_t, 2>> lists_;  // that services share
};

}  // namespace

uint32_t Numbers::of(std::string thing, size_t size) {
    if (auto earlier = before_.extract(thing)) return used_.insert(std::move(earlier)).position->second;
    const auto [known, is_new] = used_.try_emplace(std::move(thing), next_);
    if (is_new) next_ += static_cast<uint32_t>(size);
    return known->second;
}

void Numbers::forget_unused() { before_ = std::exchange(used_, {}); }

Tables Compiler::compile(const Desired& desired, PortRange ports,
                         const std::function<uint32_t(const Service&)>& slot_of) {
    Filler filler(desired, backends_, choices_, own_, rules_, networks_);
    for (const Service& service : desired.ruleset.services()) filler.add(service, slot_of(service));
    filler.add_surroundings();
    filler.tables.settings.first_port = ports.first;
    filler.tables.settings.ports = static_cast<uint32_t>(ports.size());
    for (Numbers* numbers : {&backends_, &choices_, &own_, &rules_, &networks_}) numbers->forget_unused();
    return std::move(filler.tables);
}

}  // namespace hairpin::bpf
