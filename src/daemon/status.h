// What a person asks first: what is served, and what is wrong with it.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "daemon/gateway.h"

namespace hairpin {

// {"version": "0.1.0", "pid": 4711, "engine": "nft", "network_namespace": "net:[4026531840]", "uptime_ms": 120000,
// "services": 2, "endpoints": 3, "configuration": {"origin": "/etc/hairpin/hairpin.yaml", "loaded_at":
// "2026-01-31T12:00:00Z", "refused": {"at": "2026-01-31T13:00:00Z", "reasons": ["..."]}}, "problems": [{"kind":
// "backend", "message": "service web: backend 10.0.0.2:80 is down: ..."}], "remarks": []}
// `refused`: the reload since, whose configuration could not be served; null: there is none. The `kind` of a problem is
// `backend`, one that is down or has no route; `service`, which has too few; `name`, that cannot be
// resolved; `endpoint`, which cannot be served as the network is now, or is led to nobody; `checks`, which do not come
// as clients do, as addresses are now; `network`, a change that is not followed; `engine`, another one that serves here
// as well; `kernel`, a setting of the kernel that stops our packets; `restart`, which a reload has made necessary;
// `stopping`; `reload`. Remarks are what may keep some clients out.
nlohmann::ordered_json status_json(const Gateway& gateway);

// {"services": [{"service": "web", "listen": ["1.0.0.1:80"], "protocol": "tcp", "balance": "round_robin",
// "backends_up": 1, "backends": 2, "active": 1, "accepted": 7, "refused": 0, "bytes_to_backends": 120,
// "bytes_to_clients": 5400}]}, as they are configured. A backend that is not checked is up; what counts does so since
// the engine began.
Result<nlohmann::ordered_json> services_json(Gateway& gateway);

// Of both transport protocols and of each port.
uint64_t endpoint_count(const std::vector<Service>& services);

}  // namespace hairpin
