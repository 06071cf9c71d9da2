// Whether a configuration can be served here.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "config/config.h"
#include "engines/engine.h"

namespace hairpin {

// Everything wrong with the configuration on this machine, each at its place; nothing: it holds. `services`: its own,
// at the addresses that their links bear. Pure.
std::vector<std::string> faults(const Config& config, std::span<const Service> services, const Topology& topology);

// What the configuration insists on and this engine cannot do, each at its place. What it does in another way is
// logged.
std::vector<std::string> fatal_gaps(const Config& config, const Engine& engine, const Ruleset& ruleset);

}  // namespace hairpin
