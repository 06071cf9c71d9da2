// The gateway as a whole, as the API tells of it, for people.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace hairpin {

// A page: who serves what since when, the services, and what is wrong now. `status` and `services` are the answers of
// the operations of these names.
std::string status_page(const nlohmann::json& status, const nlohmann::json& services);

// What is wrong now, of the kind that is named, or of any; empty: nothing is.
std::string problems_text(const nlohmann::json& status, std::string_view kind = {});

}  // namespace hairpin
