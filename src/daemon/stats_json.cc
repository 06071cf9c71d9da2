#include "daemon/stats_json.h"

#include <nlohmann/json.hpp>

namespace hairpin {
namespace {

// {"enumerator": count, ...}
template <class E, size_t N>
nlohmann::ordered_json by_name(const std::array<uint64_t, N>& counts) {
    static_assert(names_of<E>.size() == N);
    auto json = nlohmann::ordered_json::object();
    for (size_t i = 0; i < N; ++i) json[std::string(names_of<E>[i])] = counts[i];
    return json;
}

template <class T>
nlohmann::ordered_json or_null(const std::optional<T>& value) {
    return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json(nullptr);
}

}  // namespace

nlohmann::ordered_json to_json(const ServiceStats& stats) {
    auto backends = nlohmann::ordered_json::array();
    for (const BackendStats& came : stats.backends) {
        backends.push_back({{"backend", came.backend.str()}, {"path", name(came.path)}, {"accepted", came.accepted}});
    }
    return {
        {"service", stats.service},
        {"active", stats.active},
        {"accepted", by_name<Path>(stats.accepted)},
        {"refused", by_name<Refusal>(stats.refused)},
        {"bytes_to_backends", stats.bytes_to_backends},
        {"bytes_to_clients", stats.bytes_to_clients},
        {"backends", std::move(backends)},
    };
}

nlohmann::ordered_json to_json(const Stats& stats) {
    auto services = nlohmann::ordered_json::array();
    for (const ServiceStats& service : stats.services) services.push_back(to_json(service));
    return {{"services", std::move(services)}};
}

nlohmann::ordered_json to_json(const LiveFlow& flow) {
    const auto age = flow.age ? std::optional(flow.age->count()) : std::nullopt;
    return {
        {"service", flow.service},
        {"protocol", name(flow.client.protocol)},
        {"path", name(flow.path)},
        {"client", flow.client.source.str()},
        {"asked", flow.client.destination.str()},
        {"source", flow.backend.source.str()},
        {"backend", flow.backend.destination.str()},
        {"bytes_to_backend", or_null(flow.bytes_to_backend)},
        {"bytes_to_client", or_null(flow.bytes_to_client)},
        {"age_ms", or_null(age)},
        {"ended", flow.ended},
    };
}

}  // namespace hairpin
