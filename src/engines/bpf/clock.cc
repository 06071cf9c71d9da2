#include "engines/bpf/clock.h"

#include <ctime>

#include "engines/bpf/wire.h"

namespace hairpin::bpf {

uint32_t now() {
    timespec time{};
    ::clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
    const auto nanoseconds = static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
    return static_cast<uint32_t>(nanoseconds >> HP_TICK_BITS);
}

std::chrono::nanoseconds since(uint32_t tick, uint32_t now) {
    const auto ticks = static_cast<int32_t>(now - tick);
    return std::chrono::nanoseconds(ticks > 0 ? static_cast<int64_t>(ticks) << HP_TICK_BITS : 0);
}

}  // namespace hairpin::bpf
