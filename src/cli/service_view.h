// Services as the API tells them, for people.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace hairpin {

// A table of all services, in their order.
std::string service_table(const nlohmann::json& services);

}  // namespace hairpin
