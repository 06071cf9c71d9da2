// What the API takes and answers, as JSON Schema (2020-12): each member with what it means.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace hairpin {

// {"Status": {...}, "Services": {...}, ...}. Pure.
nlohmann::ordered_json api_schemas();

}  // namespace hairpin
