// An explanation for people. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace hairpin {

// `explanation` as to_json() of daemon/explanation.h makes it. Where it is not, nlohmann::json::exception is thrown.
std::string explanation_text(const nlohmann::json& explanation, bool colour);

}  // namespace hairpin
