// eBPF programs of our own in the kernel: packets are translated and sent on before its network stack sees them.
#pragma once

#include <memory>

#include "engines/engine.h"

namespace hairpin {

std::unique_ptr<Engine> make_tc_engine(EngineOptions options);

// The same, but packets of flows that are under way go from driver to driver where both can do that. The two take over
// from each other.
std::unique_ptr<Engine> make_xdp_engine(EngineOptions options);

}  // namespace hairpin
