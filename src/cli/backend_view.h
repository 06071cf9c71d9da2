// Backends as the API tells them, for people.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace hairpin {

// A table of all backends, in their order.
std::string backend_table(const nlohmann::json& backends);

}  // namespace hairpin
