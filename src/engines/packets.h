// What the engines have in common that translate packets within the kernel.
#pragma once

#include <string_view>
#include <vector>

#include "engines/engine.h"

namespace hairpin {

// Packets keep whatever source they have, and stay of their family.
inline constexpr Abilities packet_abilities{.foreign_source = true, .cross_family = false};

// What none of these engines can do. `limit`: which flows it limits in place of those of a service.
std::vector<Gap> packet_gaps(const Ruleset& ruleset, std::string_view limit);

inline bool serves_udp(const Service& service) { return includes(service.protocols, Protocol::udp); }

// Why the kernel cannot serve a backend for clients of an endpoint, in words; empty: it can.
std::string_view obstacle(const EndpointRange& listen, const Backend& backend);

// The backends that can answer for an endpoint.
std::vector<const Backend*> answering(const Service& service, const EndpointRange& listen);

// Whether none of these takes new flows, though others of the service do: clients of the endpoint are refused.
bool is_closed(const Service& service, const EndpointRange& listen);

// The addresses at which clients reach an endpoint: its own, or where that is unspecified, all of the gateway's that
// packets are routed to.
std::vector<Ip> asked_addresses(const Ip& listen, const Topology& topology);

}  // namespace hairpin
