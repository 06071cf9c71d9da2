// What moves at a running gateway, for people.
#pragma once

#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace hairpin {

// A table of all services, the busiest first. `before` and `now` are the answer of /v1/services, this far apart.
std::string top_table(const nlohmann::json& before, const nlohmann::json& now, std::chrono::duration<double> apart);

// The same for programs: {"seconds": 1.0, "services": [{"service": "web", ..., "accepted_per_second": 12.0, ...}]}.
nlohmann::ordered_json top_json(const nlohmann::json& before, const nlohmann::json& now,
                                std::chrono::duration<double> apart);

}  // namespace hairpin
