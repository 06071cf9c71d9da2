// When checks begin: never in step, so that neither the gateway nor a host of many backends has them all at once.
#pragma once

#include <chrono>
#include <random>

namespace hairpin::health {

using Generator = std::minstd_rand;

// From the beginning of a check to that of the next: up to a tenth shorter than `interval`, and never longer, so that
// `fall` intervals find a dead backend.
std::chrono::milliseconds until_next(std::chrono::milliseconds interval, Generator& generator);

// Until the first check of a backend: within the interval, and within a second.
std::chrono::milliseconds until_first(std::chrono::milliseconds interval, Generator& generator);

}  // namespace hairpin::health
