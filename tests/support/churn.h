// Connections at full speed: what a gateway is loaded with.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "lab/host.h"
#include "model/ip.h"

namespace hairpin {

inline constexpr std::chrono::milliseconds slice{250};

struct Tally {
    std::vector<size_t> by_slice;  // connections that were answered
    size_t failures = 0;
    std::string first_failure;
};

// Connects, asks an echo server, hears the echo and resets, one connection after the other, until so many slices are
// over since `start`.
Tally churn(const lab::Host& host, const Endpoint& endpoint, std::chrono::steady_clock::time_point start,
            size_t slices);

// How long a load is to last: HAIRPIN_LOAD_SECONDS, or 15.
std::chrono::seconds load_time();

// True if a program was named to be measured; otherwise the test fails in CI and is skipped elsewhere.
bool names_program_to_measure();

}  // namespace hairpin
