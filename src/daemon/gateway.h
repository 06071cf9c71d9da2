// The running gateway, as operations of its API see it.
#pragma once

#include <chrono>
#include <functional>

#include "daemon/backend_discovery.h"
#include "daemon/backend_health.h"
#include "daemon/loads.h"
#include "engines/engine.h"

namespace hairpin {

// The daemon's thread alone may use it.
struct Gateway {
    Engine& engine;
    const BackendHealth& health;
    const BackendDiscovery& discovery;
    const Desired& configured;  // all backends
    const Desired& serving;     // the same services, each with those backends alone that take new flows
    const Loads& loads;
    std::chrono::steady_clock::time_point started;

    const std::vector<Service>& services() const { return configured.ruleset.services(); }
};

// Does the work on the daemon's thread, and returns when it is done.
using WithGateway = std::function<void(const std::function<void(Gateway&)>& work)>;

}  // namespace hairpin
