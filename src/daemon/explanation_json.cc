// An Explanation for programs.
#include <nlohmann/json.hpp>

#include "daemon/explanation.h"

namespace hairpin {
namespace {

using nlohmann::ordered_json;

// "10.0.0.2:any": what is left open is said in words.
std::string open_endpoint(const Endpoint& endpoint) {
    if (endpoint.ip.is_unspecified()) return "any:any";
    if (endpoint.port != 0) return endpoint.str();
    return endpoint.ip.is_v4() ? endpoint.ip.str() + ":any" : "[" + endpoint.ip.str() + "]:any";
}

std::string source_setting(const Service& service) {
    std::string setting(name(service.source));
    for (const Prefix& prefix : service.source_map) setting += " " + prefix.str();
    return setting;
}

ordered_json to_json(const Passage& passage) {
    ordered_json legs = ordered_json::array();
    for (const Stretch& stretch : passage.stretches) {
        legs.push_back({{"from", stretch.from},
                        {"to", stretch.to},
                        {"source", open_endpoint(stretch.source)},
                        {"destination", open_endpoint(stretch.destination)}});
    }
    const bool passes = !legs.empty();
    return {{"engine", passage.engine},
            {"source", passes ? ordered_json(name(passage.source)) : ordered_json()},
            {"reason", passage.reason},
            {"problem", passage.problem},
            {"legs", std::move(legs)}};
}

ordered_json to_json(const BackendView& backend) {
    ordered_json engines = ordered_json::array();
    for (const Passage& passage : backend.passages) engines.push_back(to_json(passage));
    return {{"backend", backend.endpoint.str()},
            {"weight", backend.weight},
            {"path", name(backend.path)},
            {"reason", backend.reason},
            {"route_to_client", backend.route_to_client},
            {"route_to_backend", backend.route_to_backend},
            {"engines", std::move(engines)}};
}

ordered_json to_json(const Denial& denial) {
    return {{"list", name(denial.list)}, {"prefix", denial.prefix ? ordered_json(denial.prefix->str()) : nullptr}};
}

// What the service sets, whoever calls.
ordered_json settings_of(const Service& service) {
    ordered_json limits = ordered_json::object();
    for (const Limit limit : all_limits) {
        if (service.limits[limit] > 0) limits[std::string(name(limit))] = service.limits[limit];
    }
    return {{"name", service.name},
            {"backends", service.backends.size()},
            {"source", source_setting(service)},
            {"balance", name(service.balance)},
            {"self", name(service.self)},
            {"send_proxy", name(service.send_proxy)},
            {"limits", std::move(limits)}};
}

ordered_json or_null(const std::string& text) { return text.empty() ? ordered_json() : ordered_json(text); }

}  // namespace

ordered_json to_json(const Explanation& explanation) {
    ordered_json chosen = ordered_json::array();
    for (const Chosen& one : explanation.chosen) {
        chosen.push_back({{"engine", one.engine}, {"backend", one.backend.str()}});
    }
    ordered_json backends = ordered_json::array();
    for (const BackendView& backend : explanation.backends) backends.push_back(to_json(backend));
    return {{"protocol", name(explanation.client.protocol)},
            {"client", open_endpoint(explanation.client.source)},
            {"endpoint", explanation.client.destination.str()},
            {"network", explanation.network},
            {"listen", or_null(explanation.listen)},
            {"service", explanation.service ? settings_of(*explanation.service) : ordered_json()},
            {"client_unknown", explanation.client_unknown},
            {"admission", or_null(explanation.admission)},
            {"denied", explanation.denial ? to_json(*explanation.denial) : ordered_json()},
            {"counted_as", or_null(explanation.counted)},
            {"chosen", std::move(chosen)},
            {"backends", std::move(backends)},
            {"notes", explanation.notes}};
}

}  // namespace hairpin
