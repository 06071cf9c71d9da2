// The running gateway, as operations of its API see it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <string_view>

#include "daemon/backend_health.h"
#include "daemon/loads.h"
#include "engines/engine.h"

namespace hairpin {

// The daemon's thread alone may use it.
struct Gateway {
    Engine& engine;
    const BackendHealth& health;
    const Desired& configured;  // all backends
    const Desired& serving;     // the same services, each with those backends alone that take new flows
    const Loads& loads;
    std::chrono::steady_clock::time_point started;
    std::string_view network_failure = {};  // why a change of the network is not followed; empty: it is
    // Another process serves in our place when it returns: which one.
    std::function<Result<pid_t>()> upgrade = {};

    const std::vector<Service>& services() const { return configured.ruleset.services(); }
};

// Does the work on the daemon's thread, and returns when it is done.
using WithGateway = std::function<void(const std::function<void(Gateway&)>& work)>;

}  // namespace hairpin
