#include "daemon/backends_json.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <string_view>

namespace hairpin {
namespace {

using nlohmann::ordered_json;

// Counts the live flows of each backend, in the order of the services.
class Tally {
public:
    explicit Tally(const std::vector<Service>& services) {
        for (const Service& service : services) {
            for (const Backend& backend : service.backends) {
                places_[{service.name, backend.endpoint.ip}].emplace_back(backend.endpoint.ports, counts.size());
                counts.push_back(0);
            }
        }
    }

    void add(const LiveFlow& flow) {
        if (flow.ended) return;
        const Endpoint& backend = flow.backend.destination;
        const auto known = places_.find({flow.service, backend.ip});
        if (known == places_.end()) return;
        for (const auto& [ports, place] : known->second) counts[place] += ports.contains(backend.port);
    }

    std::vector<uint64_t> counts;

private:
    // Of a service and a host: which ports are counted where.
    std::map<std::pair<std::string_view, Ip>, std::vector<std::pair<PortRange, size_t>>> places_;
};

}  // namespace

Result<ordered_json> backends_json(Gateway& gateway) {
    Tally tally(gateway.services());
    const auto seen = gateway.engine.flows([&](const LiveFlow& flow) { tally.add(flow); });
    if (!seen) return seen.error();
    ordered_json json = gateway.health.to_json(gateway.services(), gateway.serving.ruleset.services());
    size_t place = 0;
    for (ordered_json& backend : json.at("backends")) backend["active"] = tally.counts[place++];
    gateway.discovery.add_unresolved(gateway.services(), json.at("backends"));
    return json;
}

Result<ordered_json> backends_json(Gateway& gateway, const std::vector<ServiceBackend>& names) {
    auto all = backends_json(gateway);
    if (!all) return all;
    auto list = ordered_json::array();
    for (const ordered_json& backend : all->at("backends")) {
        const bool meant = std::ranges::any_of(names, [&](const ServiceBackend& name) {
            return backend.at("service") == name.service && backend.at("backend") == name.backend.str();
        });
        if (meant) list.push_back(backend);
    }
    return ordered_json{{"backends", std::move(list)}};
}

}  // namespace hairpin
