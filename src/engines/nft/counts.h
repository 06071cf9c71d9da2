// What our table in the kernel's packet filter has counted.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/flow.h"

namespace hairpin::nft {

// One element of a counting set.
struct Count {
    Protocol protocol = Protocol::tcp;
    Endpoint endpoint;  // external
    uint32_t mark = 0;
    Endpoint backend;      // in the sets that have one
    uint64_t packets = 1;  // of an element without a counter
    uint64_t bytes = 0;
};

// All elements of a set of our table whose key is "address . protocol . port . mark", where the mark may be a byte, or
// "address . port . mark . address of a backend . its port", where the mark says the protocol, too (accepted_mark()).
// Asks the kernel itself, for libnftables takes twenty times as long. Acts on the network namespace of its thread.
Result<std::vector<Count>> read_counts(const std::string& set);

}  // namespace hairpin::nft
