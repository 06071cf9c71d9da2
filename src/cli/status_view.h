// The gateway as a whole, as the API tells of it, for people.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace hairpin {

// A page: who serves what since when, the services, and what is wrong now. `status` and `services` are the answers of
// the operations of these names.
std::string status_page(const nlohmann::json& status, const nlohmann::json& services);

}  // namespace hairpin
