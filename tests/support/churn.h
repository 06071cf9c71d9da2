// Connections at full speed: what a gateway is loaded with.
#pragma once

#include <atomic>
#include <chrono>
#include <future>
#include <string>
#include <vector>

#include "lab/host.h"
#include "model/ip.h"

namespace hairpin {

inline constexpr std::chrono::milliseconds slice{250};

struct Tally {
    std::vector<size_t> by_slice;  // connections that were answered; empty where no slices were asked for
    size_t answered = 0;           // all of them
    size_t failures = 0;
    std::string first_failure;
};

// Connects, asks an echo server, hears the echo and resets, one connection after the other, until so many slices are
// over since `start`.
Tally churn(const lab::Host& host, const Endpoint& endpoint, std::chrono::steady_clock::time_point start,
            size_t slices);

// The same from a thread of its own, for as long as something else takes.
class Churn {
public:
    Churn(const lab::Host& host, const Endpoint& endpoint);
    ~Churn();
    Churn(const Churn&) = delete;
    Churn& operator=(const Churn&) = delete;

    // Waits until so many more were answered; false if they are not in time.
    bool goes_on(size_t answers = 100) const;
    // Once, and what became of all.
    Tally stop();

private:
    std::atomic<bool> over_ = false;
    std::atomic<size_t> answered_ = 0;
    std::future<Tally> load_;  // last: its thread uses what stands above
};

// How long a load is to last: HAIRPIN_LOAD_SECONDS, or 15.
std::chrono::seconds load_time();

// True if a program was named to be measured; otherwise the test fails in CI and is skipped elsewhere.
bool names_program_to_measure();

}  // namespace hairpin
