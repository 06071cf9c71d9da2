// Flows as the API tells them, for people.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace hairpin {

// A table of the flows that live, the oldest first, and what would make it complete.
std::string flow_table(const nlohmann::json& flows);

// What an answer with flows leaves out; empty: nothing.
std::string unlisted_text(const nlohmann::json& answer);

// "10.0.0.3:40000, tcp to 1.0.0.1:5432 (srv1, peer), served by 10.0.0.2:54321, began 12 s ago"
std::string flow_line(const nlohmann::json& flow);

}  // namespace hairpin
