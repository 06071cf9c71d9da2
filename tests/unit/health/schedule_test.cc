// Checks come at their interval, and not in step.
#include "health/schedule.h"

#include <gtest/gtest.h>

#include <set>

namespace hairpin::health {
namespace {

using namespace std::chrono_literals;

TEST(Schedule, AnIntervalIsUpToATenthShorterAndNeverLonger) {
    Generator generator(1);
    std::set<std::chrono::milliseconds> seen;
    for (int i = 0; i < 1000; ++i) {
        const auto next = until_next(1000ms, generator);
        EXPECT_GE(next, 900ms);
        EXPECT_LE(next, 1000ms);
        seen.insert(next);
    }
    EXPECT_GT(seen.size(), 80u);
}

TEST(Schedule, TheFirstCheckComesWithinTheIntervalAndWithinASecond) {
    Generator generator(1);
    std::chrono::milliseconds last{0};
    for (int i = 0; i < 1000; ++i) {
        EXPECT_LE(until_first(200ms, generator), 200ms);
        last = std::max(last, until_first(1h, generator));
    }
    EXPECT_LE(last, 1000ms);
    EXPECT_GT(last, 900ms);
}

TEST(Schedule, TheSameSeedGivesTheSameTimes) {
    Generator one(7);
    Generator other(7);
    for (int i = 0; i < 10; ++i) EXPECT_EQ(until_next(10s, one), until_next(10s, other));
}

}  // namespace
}  // namespace hairpin::health
