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

}  // namespace

nlohmann::ordered_json to_json(const ServiceStats& stats) {
    return {
        {"service", stats.service},
        {"active", stats.active},
        {"accepted", by_name<Path>(stats.accepted)},
        {"refused", by_name<Refusal>(stats.refused)},
        {"bytes_to_backends", stats.bytes_to_backends},
        {"bytes_to_clients", stats.bytes_to_clients},
    };
}

nlohmann::ordered_json to_json(const Stats& stats) {
    auto services = nlohmann::ordered_json::array();
    for (const ServiceStats& service : stats.services) services.push_back(to_json(service));
    return {{"services", std::move(services)}};
}

}  // namespace hairpin
