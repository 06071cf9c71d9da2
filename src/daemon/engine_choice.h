// Which engine serves: in this daemon, and in the one after it.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "config/config.h"
#include "daemon/events.h"
#include "engines/engine.h"

namespace hairpin {

// The services: as they are `written`, by which an engine is chosen, for names may stand for anything
// later on, and as they are `desired` at its start.
struct ToServe {
    const Settings& settings;
    const Ruleset& written;
    const std::shared_ptr<const Desired>& desired;
};

// Whether an engine could begin, as far as that can be told without changing anything.
Result<> can_begin(const ToServe& what);

// The engine, which tells `events`, that outlive it, and wakes the daemon then; why not a better one is logged. With
// `auto` it is taken only if it does serve: it has begun then. `inherited` may be null.
Result<std::unique_ptr<Engine>> choose_engine(const ToServe& what, std::shared_ptr<InheritedSockets> inherited,
                                              Events& events);

// Serves. What a failed attempt has set is put back, but not what an earlier daemon left.
Result<> begin(Engine& engine, const std::shared_ptr<const Desired>& desired);

// The engine that this configuration leads to here; the one that serves, where that cannot be told.
std::string next_engine(const Config& config, const Topology& topology, const Engine& ours);

// Whether the kernel serves, and with this engine goes on doing so.
bool is_in_kernel(const Engine& engine);
bool takes_over(std::string_view next, const Engine& ours);

}  // namespace hairpin
