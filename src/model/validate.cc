// Every rule is one method of Validator. Together they take O(n log n) in the services, for a gateway may hold 100,000;
// its own networks, which are few, are gone through one by one for each endpoint.
#include "model/validate.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string_view>

#include "model/listen_index.h"

namespace hairpin {
namespace {

using Key = Place::Key;

std::string quoted(std::string_view text) { return "'" + std::string(text) + "'"; }

std::string count_of_ports(const PortRange& ports) {
    return std::to_string(ports.size()) + (ports.size() == 1 ? " port" : " ports");
}

// Why no single host can be reached at this address from everywhere, or nothing.
std::optional<std::string_view> why_no_host(const Ip& ip) {
    if (ip.is_multicast()) return "is a multicast address";
    if (ip.is_broadcast()) return "is the broadcast address";
    if (ip.is_link_local()) return "is a link-local address, which means nothing beyond its link";
    return std::nullopt;
}

bool full(const Prefix& prefix) { return prefix.length == (prefix.address.is_v4() ? 32 : 128); }

// The parts of a topology that rules ask for, ready to be searched.
struct Surroundings {
    std::vector<Ip> own;           // sorted
    std::vector<Prefix> local;     // networks of which every address is the gateway's own
    std::vector<Ip> broadcasts;    // of the on-link networks, sorted
    std::vector<Prefix> networks;  // on-link, longest prefix first; neither single addresses nor default routes

    explicit Surroundings(const Topology* topology) {
        if (!topology) return;
        local = topology->local();
        for (const Address& address : topology->addresses()) own.push_back(address.ip);
        for (const Route& route : topology->routes()) {
            const Prefix& network = route.destination;
            if (route.via || network.length == 0 || full(network)) continue;
            networks.push_back(network);
            // A network of two addresses has no broadcast (RFC 3021).
            if (network.address.is_v4() && network.length < 31) {
                broadcasts.push_back(network.with_host_of(Ip::v4(0xffffffff)));
            }
        }
        std::ranges::sort(own);
        std::ranges::sort(broadcasts);
    }

    bool owns(const Ip& ip) const {
        return ip.is_loopback() || std::ranges::binary_search(own, ip) ||
               std::ranges::any_of(local, [&](const Prefix& prefix) { return prefix.contains(ip); });
    }
    bool is_broadcast(const Ip& ip) const { return std::ranges::binary_search(broadcasts, ip); }

    const Prefix* network_of(const Ip& ip) const {
        const auto network = std::ranges::find_if(networks, [&](const Prefix& n) { return n.contains(ip); });
        return network == networks.end() ? nullptr : &*network;
    }
};

class Validator {
public:
    Validator(std::span<const Service> services, const Topology* topology)
        : services_(services), around_(topology), listening_(services) {
        for (const Service& service : services) {
            for (const Backend& backend : service.backends) backend_ips_.push_back(backend.endpoint.ip);
            for (const EndpointRange& listen : service.listen) external_ips_.push_back(listen.ip);
        }
        std::ranges::sort(backend_ips_);
        std::ranges::sort(external_ips_);
    }

    std::vector<Problem> run() {
        check_names();
        check_overlaps();
        check_link_overlaps();
        for (size_t s = 0; s < services_.size(); ++s) {
            at_ = s;
            check_service(services_[s]);
            check_listen(services_[s]);
            check_listen_links(services_[s]);
            check_backends(services_[s]);
            check_duplicate_backends(services_[s]);
            check_backend_names(services_[s]);
            check_weights(services_[s]);
            check_source_map(services_[s]);
            check_admission(services_[s]);
            check_health(services_[s]);
        }
        std::ranges::stable_sort(problems_, {}, &Problem::place);
        return std::move(problems_);
    }

private:
    void report(Key key, size_t index, std::string message) {
        problems_.push_back({{at_, key, index}, std::move(message)});
    }

    // The other service of a conflict, as a person would point at it.
    std::string owner(size_t service) const {
        return service == at_ ? "this service" : "service " + quoted(services_[service].name);
    }

    static const Ip* within(const Prefix& prefix, const std::vector<Ip>& sorted) {
        const auto first = std::ranges::lower_bound(sorted, prefix.address);
        return first != sorted.end() && prefix.contains(*first) ? &*first : nullptr;
    }

    void check_names() {
        std::vector<std::pair<std::string_view, size_t>> names;
        for (size_t s = 0; s < services_.size(); ++s) names.emplace_back(services_[s].name, s);
        std::ranges::sort(names);
        for (size_t i = 1; i < names.size(); ++i) {
            if (names[i].first != names[i - 1].first) continue;
            at_ = names[i].second;
            report(Key::service, 0, "another service is called " + quoted(names[i].first) + " already; rename one");
        }
    }

    void check_overlaps() {
        for (const auto& [later, earlier] : listening_.overlaps()) {
            at_ = later.service;
            const EndpointRange& mine = services_[later.service].listen[later.index];
            const EndpointRange& other = services_[earlier.service].listen[earlier.index];
            const Ip& any = mine.ip.is_unspecified() ? mine.ip : other.ip;
            std::string why;
            if (mine.ip != other.ip) why = ", for " + any.str() + " stands for all of the gateway's addresses";
            report(Key::listen, later.index,
                   mine.str() + " overlaps " + other.str() + " of " + owner(earlier.service) + why +
                       "; change the address, the port or the protocol of one");
        }
    }

    void check_link_overlaps() {
        for (const auto& [later, earlier] : overlaps_on_links(services_)) {
            at_ = later.service;
            report(Key::listen_links, later.index,
                   services_[later.service].listen_links[later.index].str() + " overlaps " +
                       services_[earlier.service].listen_links[earlier.index].str() + " of " + owner(earlier.service) +
                       "; change the link, the port or the protocol of one");
        }
    }

    void check_service(const Service& service) {
        if (service.listen.empty() && service.listen_links.empty())
            report(Key::service, 0, "has no endpoint to listen on; give it one");
        if (service.backends.empty() && service.backend_names.empty())
            report(Key::service, 0, "has no backends; give it at least one");
        if (service.backends.size() > most_backends) {
            report(Key::service, 0, "has more than " + std::to_string(most_backends) + " backends; make it several");
        }
        if (service.connect_timeout.count() <= 0) report(Key::service, 0, "needs a connect timeout above zero");
        if (service.idle_timeout.count() <= 0 || (service.tcp_idle_timeout && service.tcp_idle_timeout->count() <= 0))
            report(Key::service, 0, "needs an idle timeout above zero");
        if (service.max_sessions == 0) report(Key::service, 0, "needs room for one UDP session at least");
        if (service.send_proxy == ProxyHeader::v1 && service.protocols != Protocols::tcp) {
            report(Key::proxy_protocol, 0, "PROXY protocol v1 cannot speak of UDP; send v2, or serve TCP only");
        }
    }

    void check_health(const Service& service) {
        if (!service.health) return;
        const HealthCheck& check = *service.health;
        const auto bad = [&](std::string message) { report(Key::health, 0, std::move(message)); };
        if (check.longest() > check.interval) {
            const bool twice = check.via == CheckVia::endpoint;
            bad("a check may take " + std::to_string(check.longest().count()) + " ms" +
                (twice ? ", with via: endpoint twice its timeout" : "") + ", but the next one begins after " +
                std::to_string(check.interval.count()) + " ms; lower the timeout or raise the interval");
        }
        if (check.passive && !includes(service.protocols, Protocol::tcp)) {
            bad("passive looks at connections over TCP, which this service is not served over; remove it");
        }
        const auto protocol = protocol_of(check.kind);
        if (protocol && check.port == 0 && !includes(service.protocols, *protocol)) {
            bad("kind " + std::string(name(check.kind)) + " asks over " + (*protocol == Protocol::tcp ? "TCP" : "UDP") +
                ", which this service is not served over; choose another kind, or give the port of what answers it");
        }
    }

    bool check_ports(Key key, size_t index, const EndpointRange& endpoint) {
        const bool good = endpoint.ports.first > 0 && endpoint.ports.first <= endpoint.ports.last;
        if (!good) report(key, index, endpoint.str() + " needs ports from 1 to 65535, the smaller one first");
        return good;
    }

    void check_listen(const Service& service) {
        for (size_t i = 0; i < service.listen.size(); ++i) {
            const EndpointRange& listen = service.listen[i];
            check_ports(Key::listen, i, listen);
            if (const auto why = why_no_host(listen.ip)) {
                report(Key::listen, i,
                       listen.str() + " " + std::string(*why) + "; listen on an address of the gateway's own");
            } else if (around_.is_broadcast(listen.ip)) {
                report(Key::listen, i, listen.str() + " is the broadcast address of a network of this gateway");
            } else {
                check_not_among_backends(listen, i);
            }
            check_number_of_ports(service, {at_, Key::listen, i}, listen);
        }
    }

    void check_listen_links(const Service& service) {
        for (size_t i = 0; i < service.listen_links.size(); ++i) {
            const LinkListen& on = service.listen_links[i];
            check_number_of_ports(service, {at_, Key::listen_links, i}, on);
            for (const Family family : all_families) check_wildcard(service, on, i, Ip::any(family));
        }
    }

    // An unspecified address stands for those of all links.
    void check_wildcard(const Service& service, const LinkListen& on, size_t index, const Ip& any) {
        for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
            if (!includes(service.protocols, protocol)) continue;
            const ListenIndex::Entry* hit = listening_.find(protocol, {any, on.ports});
            if (!hit) continue;
            return report(Key::listen_links, index,
                          on.str() + " overlaps " + hit->endpoint.str() + " of " + owner(hit->place.service) +
                              ", which stands for all of the gateway's addresses; change the port or the protocol of "
                              "one");
        }
    }

    void check_number_of_ports(const Service& service, Place place, const auto& endpoint) {
        if (endpoint.ports.size() == first_ports(service).size()) return;
        problems_.push_back({place, endpoint.str() + " has " + count_of_ports(endpoint.ports) + ", but " +
                                        first_endpoint(service) + " has " + count_of_ports(first_ports(service)) +
                                        "; the endpoints of one service need the same number, or a service each"});
    }

    // As it was written. Precondition: there is one.
    static std::string first_endpoint(const Service& service) {
        return service.listen.empty() ? service.listen_links.front().str() : service.listen.front().str();
    }
    static PortRange first_ports(const Service& service) {
        return service.listen.empty() ? service.listen_links.front().ports : service.listen.front().ports;
    }

    // RFC 4787 REQ-7: an external address inside the backends' network, where it belongs to another host or to nobody.
    void check_not_among_backends(const EndpointRange& listen, size_t index) {
        if (listen.ip.is_unspecified() || around_.owns(listen.ip)) return;
        const Prefix* network = around_.network_of(listen.ip);
        if (!network || !within(*network, backend_ips_)) return;
        report(Key::listen, index,
               listen.str() + " lies in the backends' own network " + network->str() +
                   ", where the gateway does not answer for it; give the gateway that address, or choose one outside");
    }

    void check_backends(const Service& service) {
        for (size_t i = 0; i < service.backends.size(); ++i) {
            const EndpointRange& backend = service.backends[i].endpoint;
            if (!check_ports(Key::backends, i, backend)) continue;
            if (backend.ip.is_unspecified()) {
                report(Key::backends, i, backend.str() + " names no host; write the backend's address");
                continue;
            }
            if (const auto why = why_no_host(backend.ip)) {
                report(Key::backends, i, backend.str() + " " + std::string(*why) + "; write the address of one host");
                continue;
            }
            if (around_.is_broadcast(backend.ip)) {
                report(Key::backends, i, backend.str() + " is the broadcast address of its network, not a host");
                continue;
            }
            check_has_port_for_each(service, i);
            check_loop(service, i);
        }
    }

    void check_has_port_for_each(const Service& service, size_t index) {
        if (service.listen.empty() && service.listen_links.empty()) return;
        const EndpointRange& backend = service.backends[index].endpoint;
        const PortRange ports = first_ports(service);
        if (backend.ports.size() == ports.size()) return;
        report(Key::backends, index,
               backend.str() + " has " + count_of_ports(backend.ports) + ", but " + first_endpoint(service) + " has " +
                   count_of_ports(ports) + "; each port that is listened on needs one at the backend");
    }

    // A backend that is an external endpoint. In a circle every connection would beget the next. A mere chain of two
    // services is refused as well: the kernel translates a flow once, so engines could not agree on what becomes of it.
    void check_loop(const Service& service, size_t index) {
        const EndpointRange& backend = service.backends[index].endpoint;
        for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
            if (!includes(service.protocols, protocol)) continue;
            const ListenIndex::Entry* hit = listening_.find(protocol, backend);
            if (!hit && around_.owns(backend.ip)) {
                hit = listening_.find(protocol, {Ip::any(backend.ip.family()), backend.ports});
            }
            if (!hit) continue;
            const bool same = hit->place.service == at_;
            report(Key::backends, index,
                   backend.str() + " leads back to the gateway: " + owner(hit->place.service) + " listens on " +
                       hit->endpoint.str() +
                       (same ? ", so a connection would go in a circle" : ", and a flow is translated only once") +
                       "; name the server behind it");
            return;
        }
    }

    void check_duplicate_backends(const Service& service) {
        std::vector<std::pair<EndpointRange, size_t>> seen;
        for (size_t i = 0; i < service.backends.size(); ++i) seen.emplace_back(service.backends[i].endpoint, i);
        std::ranges::sort(seen);
        for (size_t i = 1; i < seen.size(); ++i) {
            if (seen[i].first != seen[i - 1].first) continue;
            report(Key::backends, seen[i].second, seen[i].first.str() + " is listed twice; remove one");
        }
    }

    void check_backend_names(const Service& service) {
        std::set<std::pair<std::string, PortRange>> seen;
        for (size_t i = 0; i < service.backend_names.size(); ++i) {
            const BackendName& name = service.backend_names[i];
            const auto bad = [&](const std::string& why) { report(Key::backend_names, i, name.str() + " " + why); };
            if (!seen.emplace(name.name, name.ports.value_or(PortRange{})).second) bad("is listed twice; remove one");
            if (service.listen.empty() && service.listen_links.empty()) continue;
            const std::string first = first_endpoint(service);
            const PortRange ports = first_ports(service);
            if (!name.ports && ports.size() > 1) {
                bad("names one port for each server, but " + first + " has " + count_of_ports(ports) +
                    "; write the names of the servers with their ports");
            } else if (name.ports && name.ports->size() != ports.size()) {
                bad("has " + count_of_ports(*name.ports) + ", but " + first + " has " + count_of_ports(ports) +
                    "; each port that is listened on needs one at the backend");
            }
        }
    }

    void check_weights(const Service& service) {
        const auto& backends = service.backends;
        for (size_t i = 0; i < backends.size(); ++i) {
            if (backends[i].weight <= most_weight) continue;
            report(Key::backends, i,
                   backends[i].endpoint.str() + " needs a weight from 0 to " + std::to_string(most_weight));
        }
        const auto takes_flows = [](const auto& backend) { return backend.weight > 0; };
        if (backends.empty() || std::ranges::any_of(backends, takes_flows)) return;
        if (std::ranges::any_of(service.backend_names, takes_flows)) return;
        report(Key::backends, 0,
               backends[0].endpoint.str() + (backends.size() > 1 ? " and all others have" : " has") +
                   " weight 0, so nobody takes new flows; give one a weight");
    }

    void check_source_map(const Service& service) {
        if (service.source != SourcePolicy::map) return;
        if (service.source_map.empty()) report(Key::source, 0, "has no prefix to map clients into; give it one");
        for (size_t i = 0; i < service.source_map.size(); ++i) {
            const Prefix& prefix = service.source_map[i];
            const auto same_family = [&](const Prefix& other) {
                return other.address.family() == prefix.address.family();
            };
            if (std::any_of(service.source_map.begin(), service.source_map.begin() + static_cast<ptrdiff_t>(i),
                            same_family)) {
                report(Key::source, i,
                       prefix.str() + " is a second " + std::string(name(prefix.address.family())) +
                           " prefix; a service maps each family into one");
            }
            check_map_prefix(service, prefix, i);
        }
    }

    // Replies to a mapped address must come to the gateway, so nobody may live there; and no two peers may share one.
    void check_map_prefix(const Service& service, const Prefix& prefix, size_t index) {
        const auto bad = [&](const std::string& why) { report(Key::source, index, prefix.str() + " " + why); };
        const Ip& ip = prefix.address;
        if (full(prefix)) return bad("would make all clients one; give a prefix with room for the clients' host bits");
        if (ip.is_loopback() || ip.is_unspecified() || why_no_host(ip)) {
            return bad("holds addresses that no host can have; choose an unused prefix of unicast addresses");
        }
        if (const Ip* backend = within(prefix, backend_ips_)) {
            return bad("holds the backend " + backend->str() +
                       ", whose address a client could be given; choose an "
                       "unused prefix");
        }
        if (const Ip* external = within(prefix, external_ips_)) {
            return bad("holds the external address " + external->str() + "; choose an unused prefix");
        }
        for (const Prefix& network : around_.networks) {
            if (!network.overlaps(prefix)) continue;
            return bad("overlaps the network " + network.str() +
                       " of this gateway, so replies would not come back "
                       "through it; choose an unused prefix");
        }
        for (const Backend& backend : service.backends) {
            const Prefix* network = around_.network_of(backend.endpoint.ip);
            if (!network || network->address.family() != ip.family() || prefix.length <= network->length) continue;
            return bad("has fewer addresses than the backends' network " + network->str() +
                       ", so two peers would look like one; give a prefix no longer than /" +
                       std::to_string(network->length));
        }
    }

    // Lists that services share by default are looked at once, for the first of these.
    void check_admission(const Service& service) {
        const auto allow = service.allow.written();
        const auto deny = service.deny.written();
        if (!admissions_seen_.emplace(allow.data(), deny.data()).second) return;
        check_duplicate_prefixes(Key::allow, allow);
        check_duplicate_prefixes(Key::deny, deny);
        for (size_t i = 0; i < allow.size(); ++i) {
            if (!service.deny.contains(allow[i])) continue;
            const Prefix* denied = service.deny.find(allow[i]);
            report(Key::allow, i,
                   allow[i].str() + " lies in deny" + (denied ? " " + denied->str() : "") +
                       ", which wins: nobody of it is let in; remove it from one of the two");
        }
    }

    void check_duplicate_prefixes(Key key, std::span<const Prefix> prefixes) {
        std::vector<std::pair<Prefix, size_t>> seen;
        for (size_t i = 0; i < prefixes.size(); ++i) seen.emplace_back(prefixes[i], i);
        std::ranges::sort(seen);
        for (size_t i = 1; i < seen.size(); ++i) {
            if (seen[i].first != seen[i - 1].first) continue;
            report(key, seen[i].second, seen[i].first.str() + " is listed twice; remove one");
        }
    }

    const std::span<const Service> services_;
    const Surroundings around_;
    const ListenIndex listening_;
    std::vector<Ip> backend_ips_;   // of all services, sorted
    std::vector<Ip> external_ips_;  // of all services, sorted
    std::set<std::pair<const Prefix*, const Prefix*>> admissions_seen_;
    size_t at_ = 0;  // the service that reports are about
    std::vector<Problem> problems_;
};

}  // namespace

std::vector<Problem> validate(std::span<const Service> services, const Topology* topology) {
    return Validator(services, topology).run();
}

}  // namespace hairpin
