#include "daemon/status.h"

#include <fmt/chrono.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <numeric>

#include "daemon/absent_addresses.h"
#include "daemon/link_report.h"
#include "engines/packets.h"
#include "model/listen_links.h"
#include "model/validate.h"
#include "net/socket.h"

namespace hairpin {
namespace {

using nlohmann::ordered_json;

// RFC 3339, in UTC.
std::string text_of(Loads::Time time) {
    return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::chrono::system_clock::to_time_t(time)));
}

ordered_json refusal_json(const std::optional<Loads::Refusal>& refused) {
    if (!refused) return nullptr;
    return {{"at", text_of(refused->at)}, {"reasons", refused->reasons}};
}

// An engine in the kernel also serves addresses that are routed here: what it misses nobody can tell; see remarks().
std::vector<std::string> unreachable_endpoints(const Gateway& gateway, const Service& service) {
    std::vector<std::string> list;
    if (gateway.engine.abilities().foreign_source) return list;
    for (const EndpointRange& listen : service.listen) {
        if (listen.ip.is_unspecified() || gateway.configured.topology.owns(listen.ip)) continue;
        list.push_back(fmt::format("service {}: nobody reaches {}: this machine has no address {} now", service.name,
                                   listen.str(), listen.ip.str()));
    }
    return list;
}

// Of those that take new flows. The topology has the main table only, so where that leads nowhere the kernel is asked.
std::vector<std::string> unrouted_backends(const Topology& topology, const Service& service) {
    std::vector<std::string> list;
    for (const Backend& backend : service.backends) {
        const Ip& ip = backend.endpoint.ip;
        if (topology.owns(ip) || topology.route_to(ip) || is_reachable(ip)) continue;
        list.push_back(fmt::format("service {}: the gateway has no route to backend {}: add one", service.name,
                                   backend.endpoint.str()));
    }
    return list;
}

// What the engine leads nowhere, though there are backends: in any case, or because those of its family are gone.
void add_closed_endpoints(const Gateway& gateway, const auto& add) {
    for (const Gap& gap : gateway.engine.gaps(gateway.configured.ruleset)) {
        if (gap.closes) add("endpoint", fmt::format("service {}: {}", gap.service, gap.message));
    }
    if (gateway.engine.abilities().cross_family) return;
    for (size_t i = 0; i < gateway.services().size(); ++i) {
        const Service& serving = gateway.serving.ruleset.services()[i];
        for (const EndpointRange& listen : serving.listen) {
            if (!is_closed(serving, listen) || is_closed(gateway.services()[i], listen)) continue;
            add("service", fmt::format("service {}: {} is led to nobody: its backends of that family are down or "
                                       "taken out, so clients are refused",
                                       serving.name, listen.str()));
        }
    }
}

ordered_json problems(const Gateway& gateway) {
    auto list = ordered_json::array();
    const auto add = [&](std::string_view kind, const std::string& message) {
        list.push_back({{"kind", kind}, {"message", message}});
    };
    if (const std::string stopping = gateway.stopping(); !stopping.empty()) add("stopping", stopping);
    const Topology& topology = gateway.configured.topology;
    const auto services = follow_links(gateway.services(), topology);
    for (const Problem& problem : validate(services, &topology)) {
        add("endpoint", "service " + services[problem.place.service].name + ": " + problem.message);
    }
    for (const Event& event : link_events(services, nullptr, topology)) add("endpoint", event.message);
    add_closed_endpoints(gateway, add);
    for (const auto& [message, service] : gateway.health.lacking()) add("checks", message);
    if (!gateway.network_failure.empty()) {
        add("network", "the network changed, and this could not be followed: " + std::string(gateway.network_failure));
    }
    for (const std::string& left : gateway.remains()) add("engine", left);
    for (const std::string& trouble : gateway.engine.troubles()) add("kernel", trouble);
    for (const Service& service : gateway.services()) {
        for (const std::string& unreachable : unreachable_endpoints(gateway, service)) add("endpoint", unreachable);
        if (const auto panic = gateway.health.panic(service)) add("service", *panic);
        for (const std::string& trouble : gateway.discovery.troubles(service)) add("name", trouble);
        for (const std::string& down : gateway.health.down(service)) add("backend", down);
    }
    for (const Service& service : gateway.serving.ruleset.services()) {
        for (const std::string& unrouted : unrouted_backends(topology, service)) add("backend", unrouted);
    }
    if (!gateway.needs_restart.empty()) add("restart", gateway.needs_restart);
    if (const auto& refused = gateway.loads.refused()) {
        add("reload", "the configuration of " + text_of(refused->at) +
                          " was refused, and what was loaded before is served: " + refused->reasons.front());
    }
    return list;
}

std::vector<std::string> remarks(const Gateway& gateway) {
    auto list = gateway.engine.hindrances();
    const auto absent = absent_remarks(gateway.services(), gateway.configured.topology, gateway.engine.abilities());
    list.insert(list.end(), absent.begin(), absent.end());
    return list;
}

template <class Counts>
uint64_t sum(const Counts& counts) {
    return std::accumulate(counts.begin(), counts.end(), uint64_t{0});
}

}  // namespace

uint64_t endpoint_count(const std::vector<Service>& services) {
    uint64_t endpoints = 0;
    for (const Service& service : services) {
        const uint64_t protocols = service.protocols == Protocols::both ? 2 : 1;
        for (const EndpointRange& listen : service.listen) {
            endpoints += protocols * static_cast<uint64_t>(listen.ports.size());
        }
    }
    return endpoints;
}

ordered_json status_json(const Gateway& gateway) {
    using std::chrono::milliseconds;
    const auto uptime = std::chrono::steady_clock::now() - gateway.started;
    std::error_code ignored;
    return {{"version", HAIRPIN_VERSION},
            {"pid", getpid()},
            {"engine", gateway.engine.name()},
            {"network_namespace", std::filesystem::read_symlink("/proc/self/ns/net", ignored)},
            {"uptime_ms", std::chrono::duration_cast<milliseconds>(uptime).count()},
            {"services", gateway.services().size()},
            {"endpoints", endpoint_count(gateway.services())},
            {"configuration",
             {{"origin", gateway.loads.origin()},
              {"loaded_at", text_of(gateway.loads.loaded_at())},
              {"refused", refusal_json(gateway.loads.refused())}}},
            {"problems", problems(gateway)},
            {"remarks", remarks(gateway)}};
}

Result<ordered_json> services_json(Gateway& gateway) {
    const Result<Stats> stats = gateway.stats();
    if (!stats) return stats.error();
    std::map<std::string_view, const ServiceStats*> counted;
    for (const ServiceStats& service : stats->services) counted.emplace(service.service, &service);
    static const ServiceStats nothing;

    auto list = ordered_json::array();
    for (const Service& service : gateway.services()) {
        const auto found = counted.find(service.name);
        const ServiceStats& counts = found == counted.end() ? nothing : *found->second;
        auto listen = ordered_json::array();
        for (const EndpointRange& endpoint : service.listen) listen.push_back(endpoint.str());
        auto links = ordered_json::array();
        for (const LinkListen& on : service.listen_links) links.push_back(on.str());
        list.push_back({{"service", service.name},
                        {"listen", std::move(listen)},
                        {"links", std::move(links)},
                        {"protocol", name(service.protocols)},
                        {"balance", name(service.balance)},
                        {"backends_up", gateway.health.up(service)},
                        {"backends", service.backends.size()},
                        {"active", counts.active},
                        {"accepted", sum(counts.accepted)},
                        {"refused", sum(counts.refused)},
                        {"bytes_to_backends", counts.bytes_to_backends},
                        {"bytes_to_clients", counts.bytes_to_clients}});
    }
    return ordered_json{{"services", std::move(list)}};
}

}  // namespace hairpin
