// The life of `hairpin run`: it starts, serves, reloads, drains and ends.
#pragma once

#include <functional>

#include "config/config.h"

namespace hairpin {

struct DaemonOptions {
    std::function<Config()> load;  // reads the configuration, anew at each call
    bool reloadable = true;        // false: load() can give nothing new, so SIGHUP has nothing to do
};

// Serves until it is told to stop, logging to stderr, and returns the exit status: 0 stopped in order, 1 failed, 2 the
// configuration cannot be served here. It says "ready: ..." once every endpoint is served.
//
// - SIGTERM, SIGINT: takes no new connections, gives live ones drain_timeout to finish, ends. The second ends it at
// once.
// - SIGQUIT: ends at once and leaves the kernel serving, for the next daemon to take over. As SIGTERM where the engine
//   is not in the kernel, or the configuration names another one by now. It is what systemd restarts with.
// - SIGHUP: reads the configuration and the machine's addresses and routes again. Used whole or refused whole; then the
//   reasons are logged and everything stays as it was.
// - SIGUSR1: logs one line for each backend that is checked, "backend " and the JSON of backend_health.h, and one for
// each
//   service, "stats " and the JSON of stats_json.h.
// - Backends that go down get no new flows until they are up again.
// - Changes of the machine's links, addresses and routes are followed as they happen.
//
// Call it from the only thread of the process, once, and end the process afterwards: it takes the signals for itself,
// and the log's thread stays.
int run_daemon(const DaemonOptions& options);

}  // namespace hairpin
