// Bytes to send where it matters that all of them arrive, in order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace hairpin {

// Without a pattern; the same ones for the same size and seed.
std::string noise(size_t size, uint32_t seed = 1);

}  // namespace hairpin
