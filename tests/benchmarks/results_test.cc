// What the figures of a report come down to.
#include "benchmarks/results.h"

#include <gtest/gtest.h>

namespace hairpin::bench {
namespace {

TEST(Results, MedianAndSpread) {
    const Spread odd = spread_of({3, 1, 100});
    EXPECT_EQ(odd.median, 3);
    EXPECT_EQ(odd.low, 1);
    EXPECT_EQ(odd.high, 100);
    EXPECT_EQ(spread_of({4, 1, 2, 100}).median, 3);
}

// A machine that slows down for a round slows all contestants down.
TEST(Results, RatiosAreTakenRoundByRound) {
    const Spread ratio = ratio_of({50, 5, 500}, {100, 10, 1000});
    EXPECT_EQ(ratio.low, 0.5);
    EXPECT_EQ(ratio.high, 0.5);
}

TEST(Results, Format) {
    EXPECT_EQ(format(Metric::rate, 51234), "51.2k/s");
    EXPECT_EQ(format(Metric::rate, 5'540'000), "5.54M/s");
    EXPECT_EQ(format(Metric::throughput, 9.49e9), "9.49 Gbit/s");
    EXPECT_EQ(format(Metric::time, 81.5e-9), "81.5 ns");
    EXPECT_EQ(format(Metric::p50, 0.00012), "120 µs");
    EXPECT_EQ(format(Metric::time, 0.0421), "42.1 ms");
    EXPECT_EQ(format(Metric::memory, 307.2), "0.30 KB");
}

TEST(Results, WhoGivesUpHasNoFigures) {
    Results results;
    const Key key{"rr-1", Path::external, Metric::rate};
    results.add("rr-1", Path::external, Contestant::nginx, {{Metric::rate, 1}});
    results.add("rr-1", Path::external, Contestant::haproxy, {{Metric::rate, 2}});
    results.give_up("rr-1", Path::external, Contestant::nginx, "it broke");

    EXPECT_EQ(results.find(key, Contestant::nginx), nullptr);
    EXPECT_TRUE(results.gave_up("rr-1", Path::external, Contestant::nginx));
    EXPECT_FALSE(results.gave_up("rr-1", Path::peer, Contestant::nginx));
    ASSERT_NE(results.find(key, Contestant::haproxy), nullptr);
    EXPECT_EQ(*results.find(key, Contestant::haproxy), std::vector<double>{2});
}

}  // namespace
}  // namespace hairpin::bench
