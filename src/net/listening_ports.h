// Which ports the processes of this machine listen on.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"

namespace hairpin {

// TCP ports that are listened on and UDP ports that are bound without a peer, on any address of the thread's network
// namespace; unsorted, some more than once. The error says what the kernel lacks.
Result<std::vector<uint16_t>> listening_ports();

}  // namespace hairpin
