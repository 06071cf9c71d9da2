#include "engines/bpf/clock.h"

#include "engines/bpf/wire.h"

namespace hairpin::bpf {

std::chrono::nanoseconds since(uint32_t tick, uint32_t now) {
    const auto ticks = static_cast<int32_t>(now - tick);
    return std::chrono::nanoseconds(ticks > 0 ? static_cast<int64_t>(ticks) << HP_TICK_BITS : 0);
}

}  // namespace hairpin::bpf
