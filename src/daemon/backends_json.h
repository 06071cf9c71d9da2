// The backends of a running gateway, as they are told.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "daemon/gateway.h"

namespace hairpin {

// As BackendHealth::to_json() has it, each with how many connections and sessions live there: "active". Those
// that an earlier process still has after an upgrade count as well.
Result<nlohmann::ordered_json> backends_json(Gateway& gateway);

// Likewise, of these backends alone.
Result<nlohmann::ordered_json> backends_json(Gateway& gateway, const std::vector<ServiceBackend>& names);

}  // namespace hairpin
