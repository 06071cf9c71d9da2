// How long the engines in the kernel remember a TCP connection of which they see no packet.
#pragma once

#include <chrono>

namespace hairpin {

// One that lives, where its service does not say: as long as Linux's connection tracking does. RFC 5382 REQ-5 asks for
// 2 hours and 4 minutes at least.
inline constexpr std::chrono::seconds time_established = std::chrono::days(5);

// One that opens or closes, and one that was reset, for that may be forged (RFC 5382 REQ-5, RFC 7857 2.2).
inline constexpr std::chrono::seconds time_transitory = std::chrono::minutes(4);

}  // namespace hairpin
