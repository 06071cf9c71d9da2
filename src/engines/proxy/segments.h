// UDP datagrams that travel as one through the kernel, as the segments of one message (UDP_SEGMENT, UDP_GRO): all of
// one size but the last, which may be smaller. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace hairpin::proxy {

using Payload = std::span<const uint8_t>;

struct Datagram {
    Payload payload;
    size_t message = 0;  // that it was received in
};

inline constexpr size_t most_segments = 64;               // that every kernel takes in one message
inline constexpr size_t most_segment_bytes = 65535 - 48;  // in one message: what IPv6 and UDP leave of 64 KiB

// How many of these datagrams, from the first on, can leave in one message: at least 1. `header` bytes go ahead of each
// payload, and none that is larger than `largest` with them joins others. Precondition: there is one.
size_t joinable(std::span<const Datagram> datagrams, size_t header, size_t largest);

// Takes a message apart into segments of `size` bytes, the last of which may be smaller, and appends them. A message of
// no more than that, an empty one too, is one datagram. Precondition: size > 0.
void split(const Datagram& message, size_t size, std::vector<Datagram>& datagrams);

}  // namespace hairpin::proxy
