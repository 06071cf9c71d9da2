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

    void add(const FlowCounts& flows) {
        for (const auto& [key, active] : flows) {
            const auto& [service, backend] = key;
            const auto known = places_.find({service, backend.ip});
            if (known == places_.end()) continue;
            for (const auto& [ports, place] : known->second) {
                if (ports.contains(backend.port)) counts[place] += active;
            }
        }
    }

    std::vector<uint64_t> counts;

private:
    // Of a service and a host: which ports are counted where.
    std::map<std::pair<std::string_view, Ip>, std::vector<std::pair<PortRange, size_t>>> places_;
};

}  // namespace

Result<ordered_json> backends_json(Gateway& gateway) {
    Tally tally(gateway.services());
    const auto here = count_flows(gateway.engine);
    if (!here) return here.error();
    tally.add(*here);
    tally.add(gateway.retired_flows().counts);
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
