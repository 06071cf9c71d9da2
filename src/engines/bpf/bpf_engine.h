// eBPF programs of our own in the kernel: packets are translated and sent on before its network stack sees them.
#pragma once

#include <memory>

#include "engines/engine.h"

namespace hairpin {

std::unique_ptr<Engine> make_tc_engine(EngineOptions options);

}  // namespace hairpin
