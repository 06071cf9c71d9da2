#include "lab/plan.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <span>

#include "model/admission.h"
#include "model/listen_links.h"

namespace hairpin::lab {
namespace {

// The address number `host` of a network; in IPv6 spelled with the same digits, as people number hosts: 100 is ::100.
Ip nth(const Prefix& network, unsigned host) {
    if (network.address.is_v4()) return Ip::v4(network.address.v4_bits() + host);
    std::array<uint8_t, 16> bytes{};
    std::ranges::copy(network.address.bytes(), bytes.begin());
    for (size_t nibble = 0; nibble < 8; ++nibble, host /= 10) {
        bytes[15 - nibble / 2] |= static_cast<uint8_t>(host % 10 << nibble % 2 * 4);
    }
    return Ip::from_network(bytes);
}

Prefix everything(Family family) { return Prefix::of(Ip::any(family), 0); }

// Networks for what a configuration leaves open, best first: RFC 5737 and 3849 outside, RFC 1918 and 4193 inside.
std::span<const std::string_view> spare_networks(Family family, const Link& link) {
    static constexpr auto outside4 = std::to_array<std::string_view>(
        {"198.51.100.0/24", "203.0.113.0/24", "192.0.2.0/24", "198.18.0.0/24", "198.19.0.0/24"});
    static constexpr auto outside6 = std::to_array<std::string_view>(
        {"2001:db8:51::/64", "2001:db8:113::/64", "2001:db8:2::/64", "2001:db8:18::/64"});
    static constexpr auto inside4 = std::to_array<std::string_view>(
        {"10.0.1.0/24", "10.0.2.0/24", "192.168.1.0/24", "172.16.1.0/24", "10.99.0.0/24"});
    static constexpr auto inside6 =
        std::to_array<std::string_view>({"fd00:0:0:1::/64", "fd00:0:0:2::/64", "fd00:99::/64", "fd99::/64"});
    if (link == ext) return family == Family::v4 ? std::span<const std::string_view>(outside4) : outside6;
    return family == Family::v4 ? std::span<const std::string_view>(inside4) : inside6;
}

class Builder {
public:
    Builder(const Ruleset& ruleset, const Limits& limits) : ruleset_(ruleset), limits_(limits) {}

    Plan build() {
        collect();
        for (const Ip& ip : backends_) {
            if (runs_inside(ip)) inside_networks_.insert(network_of(ip));
        }
        for (const Prefix& network : inside_networks_) used_networks_.insert(network);
        for (const Ip& ip : listens_) {
            if (is_placeable(ip)) used_networks_.insert(network_of(ip));
        }
        plan_.hosts = {{"gateway", {}, {}, {}}, {"client", {}, {}, {}}};
        plan_outside();
        plan_inside();
        plan_servers();
        plan_peer();
        plan_routed();
        plan_behind();
        const HostPlan& gateway = plan_.gateway();
        plan_.topology = Topology({outside_link(), inside, inside2}, gateway.addresses, gateway.routes);
        return std::move(plan_);
    }

private:
    void collect() {
        for (const Service& service : ruleset_.services()) {
            for (const EndpointRange& listen : service.listen) {
                if (!std::ranges::count(listens_, listen.ip)) listens_.push_back(listen.ip);
            }
        }
        for (const Service& service : ruleset_.services()) {
            for (const Backend& backend : service.backends) {
                const Ip& ip = backend.endpoint.ip;
                if (used_.insert(ip).second) backends_.push_back(ip);
            }
        }
        used_.insert(listens_.begin(), listens_.end());
        std::map<Prefix, size_t> crowds;
        for (const Ip& ip : used_) {
            if (ip.is_v4() && ++crowds[Prefix::of(ip, 24)] > 200) v4_length_ = 16;
        }
        widen();
    }

    // An address of the configuration that is no host in the network assumed shows that the true one is wider. In a /6
    // every address of 10.0.0.0/8 is a host.
    void widen() {
        for (const Ip& ip : used_) {
            const Prefix assumed = network_of(ip);
            if (!ip.is_v4() || !is_placeable(ip) || is_host(ip, assumed)) continue;
            Prefix network = assumed;
            while (network.length > 6 && !all_are_hosts(network)) network = Prefix::of(ip, network.length - 1);
            const std::string found = ip.str() + " is no host in " + assumed.str();
            if (all_are_hosts(network)) {
                wide_networks_.push_back(network);
                plan_.notes.push_back(network.str() + " is assumed to be one network: " + found);
            } else {
                plan_.notes.push_back(assumed.str() + " is assumed to be a network, though " + found);
            }
        }
    }

    bool all_are_hosts(const Prefix& network) const {
        return std::ranges::all_of(used_, [&](const Ip& ip) { return !network.contains(ip) || is_host(ip, network); });
    }

    // Neither the first address, which means the network itself, nor the last, its broadcast.
    static bool is_host(const Ip& ip, const Prefix& network) {
        return ip != network.address && ip != network.with_host_of(Ip::v4(0xffffffff));
    }

    static bool is_placeable(const Ip& ip) { return !ip.is_unspecified() && !ip.is_loopback(); }
    bool listens_on(const Ip& ip) const { return std::ranges::count(listens_, ip) > 0; }
    // False for a backend that is a process on the gateway.
    bool runs_inside(const Ip& ip) const { return is_placeable(ip) && !listens_on(ip); }
    Prefix network_of(const Ip& ip) const {
        Prefix network = Prefix::of(ip, ip.is_v4() ? v4_length_ : 64);
        for (const Prefix& wide : wide_networks_) {
            if (wide.contains(ip) && wide.length < network.length) network = wide;
        }
        return network;
    }

    HostPlan& gateway() { return plan_.hosts[0]; }
    HostPlan& client() { return plan_.hosts[1]; }

    Ip take(const Prefix& network, unsigned from) {
        while (!used_.insert(nth(network, from)).second) ++from;
        return nth(network, from);
    }

    Prefix take_network(Family family, const Link& link) {
        for (const std::string_view text : spare_networks(family, link)) {
            const Prefix network = network_of(Prefix::parse(text)->address);
            const bool free =
                std::ranges::none_of(used_networks_, [&](const Prefix& other) { return other.overlaps(network); });
            if (free) return *used_networks_.insert(network).first;
        }
        // Every candidate is in the configuration; the last one at least is odd enough to be least in the way.
        return network_of(Prefix::parse(spare_networks(family, link).back())->address);
    }

    // Gives a host an address, and the way to the rest of the world through the gateway.
    void attach(HostPlan& host, const Link& link, const Ip& ip, const Ip& router) {
        host.addresses.push_back({ip, network_of(ip).length, link.index});
        const Prefix world = everything(ip.family());
        if (std::ranges::none_of(host.routes, [&](const Route& r) { return r.destination == world; })) {
            host.routes.push_back({world, router, link.index, 0});
        }
    }

    // The one outside is that which services listen on, by name.
    Link outside_link() {
        Link link = ext;
        for (const std::string& name : links_listened_on(ruleset_.services())) {
            if (name == inside.name || name == inside2.name || name == behind.name || name == link.name) continue;
            if (link.name == ext.name) {
                link.name = name;
            } else {
                plan_.notes.push_back("nothing is asked on " + name + ": a lab has one outside link, here " +
                                      link.name);
            }
        }
        return link;
    }

    bool is_asked_on_links(Family family) const {
        return std::ranges::any_of(ruleset_.services(), [&](const Service& service) {
            return !service.listen_links.empty() && std::ranges::any_of(service.backends, [&](const Backend& backend) {
                return backend.endpoint.ip.family() == family;
            });
        });
    }

    // The gateway holds what it listens on; a client stands in each of those networks. Where the configuration names no
    // outside address, one is made up, and the client stands beyond the gateway's default route.
    void plan_outside() {
        for (const Family family : all_families) {
            bool open = is_asked_on_links(family);
            bool named = false;
            std::set<Prefix> met;
            for (const Ip& ip : listens_) {
                if (ip.family() != family || ip.is_loopback()) continue;
                const Prefix network = network_of(ip);
                if (ip.is_unspecified() || inside_networks_.contains(network)) {
                    open = true;
                    continue;
                }
                named = true;
                gateway().addresses.push_back({ip, network.length, ext.index});
                if (met.insert(network).second) attach(client(), ext, take(network, 100), ip);
            }
            if (open && !named) plan_outside_beyond_router(family);
        }
    }

    void plan_outside_beyond_router(Family family) {
        const Prefix network = take_network(family, ext);
        const Ip own = take(network, 1);
        const Ip router = take(network, 2);
        gateway().addresses.push_back({own, network.length, ext.index});
        gateway().routes.push_back({everything(family), router, ext.index, 0});
        // The client is its own router: one host is enough to stand for the world.
        const Ip beyond = take(take_network(family, ext), 100);
        client().addresses.push_back({beyond, family == Family::v4 ? 32 : 128, ext.index});
        attach(client(), ext, router, own);
    }

    void plan_inside() {
        for (const Prefix& network : inside_networks_) {
            const auto own =
                std::ranges::find_if(listens_, [&](const Ip& ip) { return is_placeable(ip) && network.contains(ip); });
            const Ip router = own != listens_.end() ? *own : take(network, 1);
            routers_[network] = router;
            gateway().addresses.push_back({router, network.length, inside.index});
            for (const Ip& ip : listens_) {
                if (ip == router || !is_placeable(ip) || !network.contains(ip)) continue;
                gateway().addresses.push_back({ip, network.length, inside.index});
            }
        }
    }

    void plan_servers() {
        const size_t first = plan_.hosts.size();
        size_t placed = 0;
        for (const Ip& ip : backends_) {
            if (!runs_inside(ip)) continue;
            const size_t index = first + placed++ % limits_.servers;
            if (index == plan_.hosts.size()) {
                plan_.hosts.push_back({"server" + std::to_string(placed), {}, {}, {}});
            }
            attach(plan_.hosts[index], inside, ip, routers_[network_of(ip)]);
        }
        if (placed > limits_.servers) {
            plan_.notes.push_back(std::to_string(placed) + " backend addresses share " +
                                  std::to_string(limits_.servers) + " hosts");
        }
    }

    // Every backend needs a neighbour that is no backend of the same service.
    void plan_peer() {
        HostPlan peer{"peer", {}, {}, {}};
        for (const Service& service : ruleset_.services()) {
            std::set<Ip> own;
            for (const Backend& backend : service.backends) own.insert(backend.endpoint.ip);
            for (const Ip& ip : own) {
                const Prefix network = network_of(ip);
                const auto is_neighbour = [&](const Ip& other) {
                    return runs_inside(other) && network.contains(other) && !own.contains(other);
                };
                if (!runs_inside(ip) || std::ranges::any_of(backends_, is_neighbour)) continue;
                if (std::ranges::any_of(peer.addresses, [&](const Address& a) { return network.contains(a.ip); })) {
                    continue;
                }
                attach(peer, inside, take(network, 50), routers_[network]);
            }
        }
        if (!peer.addresses.empty()) plan_.hosts.push_back(std::move(peer));
    }

    void plan_routed() {
        HostPlan routed{"routed", {}, {}, {}};
        for (const Family family : all_families) {
            if (!client().address(family)) continue;
            const Prefix network = take_network(family, inside2);
            const Ip router = take(network, 1);
            gateway().addresses.push_back({router, network.length, inside2.index});
            attach(routed, inside2, take(network, 100), router);
        }
        if (!routed.addresses.empty()) plan_.hosts.push_back(std::move(routed));
    }

    // A service that takes PROXY headers is asked with one, and one that lets only some clients in by one of these.
    // Where the external client is none, it sends from the first listed prefix that is free and may lie outside.
    void plan_behind() {
        for (const Service& service : ruleset_.services()) {
            const auto is_let_in = [&](const Ip& ip) { return admits(service, ip); };
            const auto is_sender = [&](const Ip& ip) { return expects_header(service, ip) && is_let_in(ip); };
            for (const Family family : all_families) {
                const bool is_asked = std::ranges::any_of(service.listen, [&](const EndpointRange& listen) {
                    return listen.ip.family() == family && !listen.ip.is_loopback();
                });
                if (!is_asked && service.listen_links.empty()) continue;
                stand_behind(family, service.accept_proxy_from, is_sender);
                stand_behind(family, service.allow.written(), is_let_in);
            }
        }
    }

    void stand_behind(Family family, std::span<const Prefix> listed, const std::function<bool(const Ip&)>& suits) {
        const auto is_one = [&](const Address& own) { return own.ip.family() == family && suits(own.ip); };
        if (std::ranges::any_of(client().addresses, is_one)) return;
        for (const Prefix& from : listed) {
            if (from.address.family() == family && add_behind(from, suits)) return;
        }
    }

    // False: every address of it lies inside, or is taken, or does not suit, or is no host's.
    bool add_behind(const Prefix& from, const std::function<bool(const Ip&)>& suits) {
        const Family family = from.address.family();
        const auto is_inside = [&](const Ip& ip) {
            return std::ranges::any_of(gateway().addresses, [&](const Address& own) {
                return own.link != ext.index && own.network().contains(ip);
            });
        };
        const int whole = family == Family::v4 ? 32 : 128;
        for (unsigned host = from.length == whole ? 0 : 1; host < 1000; ++host) {
            const Ip ip = nth(from, host);
            if (!from.contains(ip)) return false;
            const bool means_a_host = is_placeable(ip) && !ip.is_link_local() && !ip.is_multicast();
            if (!means_a_host || !suits(ip) || is_inside(ip) || !used_.insert(ip).second) continue;
            const auto out = std::ranges::find(gateway().routes, everything(family), &Route::destination);
            const auto via = out != gateway().routes.end() ? out->via : client().address(family);
            gateway().routes.push_back({Prefix::of(ip, whole), via, ext.index, 0});
            client().addresses.push_back({ip, whole, behind.index});
            return true;
        }
        return false;
    }

    const Ruleset& ruleset_;
    const Limits limits_;
    int v4_length_ = 24;  // 16 where a /24 could not hold all

    std::vector<Ip> listens_;   // in the order of the configuration
    std::vector<Ip> backends_;  // likewise
    std::set<Ip> used_;
    std::set<Prefix> used_networks_;
    std::vector<Prefix> wide_networks_;  // wider than v4_length_
    std::set<Prefix> inside_networks_;
    std::map<Prefix, Ip> routers_;  // the gateway's address in each inside network
    Plan plan_;
};

}  // namespace

std::optional<Ip> HostPlan::address(Family family) const {
    for (const Address& own : addresses) {
        if (own.ip.family() == family) return own.ip;
    }
    return std::nullopt;
}

bool HostPlan::holds(const Ip& ip) const {
    return std::ranges::any_of(addresses, [&](const Address& own) { return own.ip == ip; });
}

Result<const HostPlan*> find_host(const Plan& plan, std::string_view name) {
    if (const HostPlan* host = plan.host(name)) return host;
    std::string known;
    for (const HostPlan& host : plan.hosts) known += " " + host.name;
    return Error{"no host '" + std::string(name) + "' in this lab; there are:" + known};
}

const HostPlan* Plan::host(std::string_view name) const {
    const auto host = std::ranges::find(hosts, name, &HostPlan::name);
    return host == hosts.end() ? nullptr : &*host;
}

size_t Plan::rows() const {
    size_t rows = 0;
    for (const Probe& probe : probes) {
        rows += static_cast<size_t>(std::ranges::count_if(probe.answers, &Expectation::row));
    }
    return rows;
}

Plan plan_network(const Ruleset& ruleset, Limits limits) { return Builder(ruleset, limits).build(); }

Plan make_plan(const Ruleset& ruleset, Abilities abilities, Limits limits) {
    Plan plan = plan_network(ruleset, limits);
    add_probes(plan, Ruleset(follow_links(ruleset.services(), plan.topology)), abilities, limits);
    return plan;
}

}  // namespace hairpin::lab
