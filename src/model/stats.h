// What engines report: counters since their start, by service; and the flows that there are.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/flow.h"
#include "model/path.h"

namespace hairpin {

// Why a connection, a session or a datagram was not served. A client that leaves before a backend accepts is not
// counted.
enum class Refusal : uint8_t {
    backend,       // no backend accepted it in time; of a session: ICMP says that the backend takes no datagrams
    descriptors,   // the process or the system has no file descriptor left
    ports,         // no source port is left towards the backend
    memory,        // the kernel or the process has no memory left, or no room for one more datagram
    sessions,      // the service's max_sessions are in use
    proxy_header,  // a listed sender began with no valid PROXY header
    loop,          // the gateway was about to connect to itself
    oversize,      // a datagram that is too large to be sent on: with its PROXY header, or in the other family
    denied,        // the service's `allow` and `deny` keep the client out
    limits,        // one of the service's `limits` is reached
};
template <>
inline constexpr auto names_of<Refusal> = std::to_array<std::string_view>({"backend", "descriptors", "ports", "memory",
                                                                           "sessions", "proxy_header", "loop",
                                                                           "oversize", "denied", "limits"});

// How often something took how long. Each bucket counts what took no longer than its bound, and longer than the one
// before; the last one counts the rest.
inline constexpr auto duration_bounds = std::to_array<std::chrono::microseconds>(
    {std::chrono::microseconds(100), std::chrono::microseconds(250), std::chrono::microseconds(500),
     std::chrono::microseconds(1'000), std::chrono::microseconds(2'500), std::chrono::microseconds(5'000),
     std::chrono::microseconds(10'000), std::chrono::microseconds(25'000), std::chrono::microseconds(50'000),
     std::chrono::microseconds(100'000), std::chrono::microseconds(250'000), std::chrono::microseconds(500'000),
     std::chrono::microseconds(1'000'000), std::chrono::microseconds(2'500'000)});
struct Durations {
    std::array<uint64_t, duration_bounds.size() + 1> buckets{};
    std::chrono::nanoseconds sum{0};
};

// What came to one backend on one path.
struct BackendStats {
    EndpointRange backend;
    Path path = Path::external;
    uint64_t accepted = 0;   // connections and sessions that reached it
    Durations connecting{};  // of connections: from when the gateway asked until it accepted
};

struct ServiceStats {
    std::string service;
    uint64_t active = 0;                                       // connections and sessions alive now
    std::array<uint64_t, names_of<Path>.size()> accepted{};    // that reached a backend, by Path
    std::array<uint64_t, names_of<Refusal>.size()> refused{};  // by Refusal
    uint64_t bytes_to_backends = 0;  // payload; of engines in the kernel, which see packets: those, headers included
    uint64_t bytes_to_clients = 0;
    std::vector<BackendStats> backends{};  // that something came to, where the engine tells them apart

    uint64_t accepted_on(Path path) const { return accepted[static_cast<size_t>(path)]; }
    uint64_t refused_for(Refusal refusal) const { return refused[static_cast<size_t>(refusal)]; }
};

struct Stats {
    std::vector<ServiceStats>
        services;  // in the order of the ruleset, then those served no more of which something lives
};

// A connection or session between a client and a backend.
struct LiveFlow {
    std::string service;
    Path path = Path::external;
    Leg client;            // who asked what; where a PROXY header was believed, as it says
    Leg backend;           // as the backend sees it
    bool ended = false;    // it is over, and remembered for what may still come
    bool answered = true;  // by the backend
    // Unknown where the kernel is not told to keep count.
    std::optional<uint64_t> bytes_to_backend = {};  // counted as in ServiceStats
    std::optional<uint64_t> bytes_to_client = {};
    std::optional<std::chrono::milliseconds> age = {};
};

}  // namespace hairpin
