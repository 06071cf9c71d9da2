// Stats as JSON: what SIGUSR1 logs.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "model/stats.h"

namespace hairpin {

// {"service": "srv1", "active": 1, "accepted": {"external": 4, ...one per path}, "refused": {"backend": 0, ...one per
// reason}, "bytes_to_backends": 120, "bytes_to_clients": 5400}
nlohmann::ordered_json to_json(const ServiceStats& stats);

// {"services": [...]}, in the order of the ruleset.
nlohmann::ordered_json to_json(const Stats& stats);

}  // namespace hairpin
