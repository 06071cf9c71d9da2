// Measures of what the engine's programs take for a packet, alone: no link, no stack, no client.
#pragma once

#include <vector>

#include "measures.h"

namespace hairpin::bench {

std::vector<Measure> packet_cost_measures();

}  // namespace hairpin::bench
