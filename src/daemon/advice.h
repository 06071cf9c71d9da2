// What an operator should know of this machine when the gateway begins.
#pragma once

#include "engines/engine.h"

namespace hairpin {

// Logs what this machine could be set to do better for these services.
void advise(const Engine& engine, const Ruleset& ruleset);

}  // namespace hairpin
