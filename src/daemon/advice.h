// What an operator should know of this machine when the gateway begins.
#pragma once

#include "engines/engine.h"

namespace hairpin {

// Warns where the kernel still does what another engine told it: that comes before ours, or after it.
void warn_of_traces(const Engine& ours);

// Logs what this machine could be set to do better for these services.
void advise(const Engine& engine, const Ruleset& ruleset);

}  // namespace hairpin
