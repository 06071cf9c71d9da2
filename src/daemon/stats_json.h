// What engines report, as JSON: what SIGUSR1 logs and the API answers.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "model/stats.h"

namespace hairpin {

// {"service": "srv1", "active": 1, "accepted": {"external": 4, ...one per path}, "refused": {"backend": 0, ...one per
// reason}, "bytes_to_backends": 120, "bytes_to_clients": 5400}
nlohmann::ordered_json to_json(const ServiceStats& stats);

// {"services": [...]}, in the order of the ruleset.
nlohmann::ordered_json to_json(const Stats& stats);

// {"service": "srv1", "protocol": "tcp", "path": "peer", "client": "10.0.0.3:40000", "asked": "1.0.0.1:5432", "source":
// "1.0.0.1:33001", "backend": "10.0.0.2:54321", "bytes_to_backend": 120, "bytes_to_client": 5400, "age_ms": 1500,
// "ended": false}; null: unknown
nlohmann::ordered_json to_json(const LiveFlow& flow);

}  // namespace hairpin
