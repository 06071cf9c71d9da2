// How many flows a service takes: at once and in a second, of everybody together and of each client.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/names.h"
#include "model/ip.h"

namespace hairpin {

class Ruleset;
class Topology;

// In the order in which they are asked; the kernel asks all of a client first, for it cannot take back.
enum class Limit : uint8_t {
    connections_per_client,     // TCP connections and UDP sessions alive at once
    connections,                // the same, of all clients together
    new_per_second_per_client,  // that begin: each client has a bucket of so many tokens, full at first
    new_per_second,             // one bucket for all clients
};
template <>
inline constexpr auto names_of<Limit> = std::to_array<std::string_view>({"connections_per_client", "connections",
                                                                         "new_per_second_per_client",
                                                                         "new_per_second"});
inline constexpr auto all_limits = std::to_array<Limit>(
    {Limit::connections_per_client, Limit::connections, Limit::new_per_second_per_client, Limit::new_per_second});

constexpr bool is_rate(Limit limit) { return limit >= Limit::new_per_second_per_client; }
constexpr bool is_per_client(Limit limit) {
    return limit == Limit::connections_per_client || limit == Limit::new_per_second_per_client;
}

// Those of a service.
struct Limits {
    std::array<uint32_t, all_limits.size()> most{};  // by Limit; 0: as many as come

    uint32_t operator[](Limit limit) const { return most[static_cast<size_t>(limit)]; }
    uint32_t& operator[](Limit limit) { return most[static_cast<size_t>(limit)]; }
    bool any() const { return *this != Limits{}; }

    bool operator==(const Limits&) const = default;
};

// How many bits of an IPv6 client's address count where it stands outside: one subscriber has all that share them
// (RFC 6177, RFC 8981).
inline constexpr int subscriber_bits = 64;

// The client that a limit counts. Of an IPv6 client outside that is its subscriber's prefix; of any other its own
// address. `client`: as for denial() in admission.h. Pure.
Ip counted_client(const Ruleset& ruleset, const Topology& topology, const Ip& client);

// What an operator is told once a limit is reached.
std::string reached(Limit limit, uint32_t most);

}  // namespace hairpin
