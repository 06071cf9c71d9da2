// The running gateway, as operations of its API see it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/administration.h"
#include "daemon/backend_discovery.h"
#include "daemon/backend_health.h"
#include "daemon/events.h"
#include "daemon/loads.h"
#include "daemon/retired_flows.h"
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
    const Events& events;  // any thread may use them, for as long as the API answers
    std::chrono::steady_clock::time_point started;
    std::string_view network_failure = {};  // why a change of the network is not followed; empty: it is
    std::string needs_restart = {};         // which changes of the configuration do; empty: none
    // That it takes nothing new, and ends; empty: it serves.
    std::function<std::string()> stopping = [] { return std::string(); };
    // Problems with what other engines do in the kernel.
    std::function<std::vector<std::string>()> remains = [] { return std::vector<std::string>(); };
    std::function<Living()> retired_flows = [] { return Living(); };  // in processes before us
    // Another process serves in our place when it returns: which one.
    std::function<Result<pid_t>()> upgrade = {};

    // What changes something: what `configured` and `serving` refer to may be gone afterwards.
    // Reads the configuration anew, as at SIGHUP; null: there is none to read.
    std::function<Reload()> reload = {};
    // Carries out an order about these backends, which are configured; `who` asked for it, in words for the log. After
    // an error nothing has changed.
    std::function<Result<>(Order order, const std::vector<ServiceBackend>& names, const std::string& who)> administer =
        {};

    const std::vector<Service>& services() const { return configured.ruleset.services(); }
    // The engine's, with what lives in processes before us among what is active.
    Result<Stats> stats() const;
};

// Does the work on the daemon's thread, and returns when it is done.
using WithGateway = std::function<void(const std::function<void(Gateway&)>& work)>;

}  // namespace hairpin
