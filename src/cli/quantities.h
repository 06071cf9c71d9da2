// Amounts of time and of bytes, as people read them.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace hairpin {

// "0.4 s", "12 s", "3 m", "5 h", "2 d"; "-" for null
std::string age_text(const nlohmann::json& milliseconds);

// "812 B", "1.4 MiB"; "-" for null
std::string bytes_text(const nlohmann::json& bytes);

}  // namespace hairpin
