// The clock of flows, which the kernel's half reads, too. Any thread.
#pragma once

#include <chrono>
#include <cstdint>

namespace hairpin::bpf {

uint32_t now();  // a tick; these wrap
// 0 for what is yet to come: the kernel's half is a little ahead.
std::chrono::nanoseconds since(uint32_t tick, uint32_t now);

}  // namespace hairpin::bpf
