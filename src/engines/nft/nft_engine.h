// The kernel's NAT, driven through nftables: packets are translated and never leave the kernel.
#pragma once

#include <memory>

#include "engines/engine.h"

namespace hairpin {

std::unique_ptr<Engine> make_nft_engine(EngineOptions options);

}  // namespace hairpin
