// Spans of the clock of flows, which the kernel's half reads (FlowTable::now()). Any thread.
#pragma once

#include <chrono>
#include <cstdint>

namespace hairpin::bpf {

// Between two ticks; these wrap. 0 for what is yet to come: a packet may have been seen since.
std::chrono::nanoseconds since(uint32_t tick, uint32_t now);

}  // namespace hairpin::bpf
