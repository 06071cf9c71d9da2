// What a packet says of itself: protocol, source and destination.
#pragma once

#include <cstdint>
#include <string>

#include "model/ip.h"

namespace hairpin {

enum class Protocol : uint8_t { tcp, udp };
template <>
inline constexpr auto names_of<Protocol> = std::to_array<std::string_view>({"tcp", "udp"});

// One side of a translated flow, in the direction from the client to the backend. The client's leg lies before the
// gateway, the backend's leg behind it.
struct Leg {
    Protocol protocol = Protocol::tcp;
    Endpoint source;  // port 0 in a leg that translate() made: any free port
    Endpoint destination;

    auto operator<=>(const Leg&) const = default;
};

}  // namespace hairpin
