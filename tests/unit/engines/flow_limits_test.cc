// What the proxy engine counts against the limits of a service.
#include "engines/proxy/flow_limits.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "engines/episode.h"
#include "unit/model/values.h"

namespace hairpin::proxy {
namespace {

using namespace std::chrono_literals;

using Time = TokenBucket::Time;
const Time start = Time(1h);
const Ip one = *Ip::parse("1.0.0.100");
const Ip other = *Ip::parse("10.0.0.50");

Limits only(Limit limit, uint32_t most) {
    Limits limits;
    limits[limit] = most;
    return limits;
}

// A service, and the flows that have begun.
class FlowLimitsTest : public testing::Test {
protected:
    std::optional<Limit> begin(const Limits& limits, const Ip& client, Time now = start) {
        auto share = std::make_unique<FlowLimits::Share>(service, client);
        const auto reached = share->take(limits, now);
        if (!reached) flows.push_back(std::move(share));
        return reached;
    }

    FlowLimits service;
    std::vector<std::unique_ptr<FlowLimits::Share>> flows;
};

TEST_F(FlowLimitsTest, LiveFlowsOfAClientAreItsOwn) {
    const Limits limits = only(Limit::connections_per_client, 2);
    for (const Ip& client : {one, other}) {
        for (int i = 0; i < 2; ++i) EXPECT_EQ(begin(limits, client), std::nullopt);
        EXPECT_EQ(begin(limits, client), Limit::connections_per_client);
    }
    flows.erase(flows.begin());
    EXPECT_EQ(begin(limits, other), Limit::connections_per_client);
    EXPECT_EQ(begin(limits, one), std::nullopt);
    EXPECT_EQ(begin(limits, one), Limit::connections_per_client);
}

TEST_F(FlowLimitsTest, LiveFlowsOfAServiceAreThoseOfAllClients) {
    const Limits limits = only(Limit::connections, 2);
    EXPECT_EQ(begin(limits, one), std::nullopt);
    EXPECT_EQ(begin(limits, other), std::nullopt);
    EXPECT_EQ(begin(limits, one), Limit::connections);
    EXPECT_EQ(begin(only(Limit::connections, 3), one), std::nullopt) << "another number counts those that live";
    flows.clear();
    EXPECT_EQ(begin(limits, other), std::nullopt);
}

TEST(FlowLimits, ABucketIsFullAtFirstAndGainsItsRateASecond) {
    for (const Limit limit : {Limit::new_per_second, Limit::new_per_second_per_client}) {
        for (const uint32_t rate : {1U, 3U, 1'000U}) {
            FlowLimits fresh;
            std::vector<std::unique_ptr<FlowLimits::Share>> flows;
            const auto begin = [&](const Limits& limits, const Ip& client, Time now = start) {
                flows.push_back(std::make_unique<FlowLimits::Share>(fresh, client));
                return flows.back()->take(limits, now);
            };
            const Limits limits = only(limit, rate);
            const std::chrono::nanoseconds token = std::chrono::nanoseconds(1s) / rate;
            for (uint32_t i = 0; i < rate; ++i) ASSERT_EQ(begin(limits, one), std::nullopt) << i << " of " << rate;
            EXPECT_EQ(begin(limits, one), limit);
            EXPECT_EQ(begin(limits, one, start + token - 1us), limit) << "the next is not due";
            EXPECT_EQ(begin(limits, one, start + token + 1us), std::nullopt);
            EXPECT_EQ(begin(limits, one, start + token + 1us), limit);
            for (uint32_t i = 0; i < rate; ++i) ASSERT_EQ(begin(limits, one, start + 1h), std::nullopt);
            EXPECT_EQ(begin(limits, one, start + 1h), limit) << "it gains no more than it holds";
        }
    }
}

TEST_F(FlowLimitsTest, TheBucketOfAClientIsItsOwn) {
    const Limits limits = only(Limit::new_per_second_per_client, 1);
    EXPECT_EQ(begin(limits, one), std::nullopt);
    EXPECT_EQ(begin(limits, one), Limit::new_per_second_per_client);
    EXPECT_EQ(begin(limits, other), std::nullopt);
}

TEST_F(FlowLimitsTest, WhoIsRefusedTakesNothing) {
    Limits limits;
    limits[Limit::connections_per_client] = 1;
    limits[Limit::new_per_second] = 2;
    EXPECT_EQ(begin(limits, one), std::nullopt);
    for (int i = 0; i < 9; ++i) EXPECT_EQ(begin(limits, one), Limit::connections_per_client);
    EXPECT_EQ(begin(limits, other), std::nullopt) << "the last token is there";
}

// Its bucket outlasts its flows: to close and to come again brings nobody more.
TEST_F(FlowLimitsTest, AClientWithoutFlowsIsRememberedAsLongAsItsBucketIsNotFull) {
    const Limits limits = only(Limit::new_per_second_per_client, 2);
    for (int i = 0; i < 2; ++i) EXPECT_EQ(begin(limits, one), std::nullopt);
    flows.clear();
    EXPECT_EQ(begin(limits, other, start + 400ms), std::nullopt);
    EXPECT_EQ(begin(limits, one, start + 400ms), Limit::new_per_second_per_client);
    EXPECT_EQ(begin(limits, other, start + 1200ms), std::nullopt);
    for (int i = 0; i < 2; ++i) EXPECT_EQ(begin(limits, one, start + 1200ms), std::nullopt);
}

// Whichever threads begin and end flows.
TEST(FlowLimits, OfManyThreadsAreExact) {
    constexpr int rounds = 20'000;
    FlowLimits service;
    Limits limits = only(Limit::connections, 3);
    limits[Limit::connections_per_client] = 2;
    std::atomic<int> alive{0};
    std::atomic<int> most{0};
    std::atomic<int> begun{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < rounds; ++i) {
                FlowLimits::Share share(service, t % 2 == 0 ? one : other);
                if (share.take(limits, start)) continue;
                ++begun;
                const int now = ++alive;
                for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) continue;
                --alive;
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_LE(most, 3);
    EXPECT_GT(begun, 0);
    std::vector<std::unique_ptr<FlowLimits::Share>> flows;
    for (const Ip& client : {one, one, other}) {
        flows.push_back(std::make_unique<FlowLimits::Share>(service, client));
        EXPECT_EQ(flows.back()->take(limits, start), std::nullopt) << "all have given back what they took";
    }
}

TEST(Episode, BeginsOnceAndAgainAfterARest) {
    Episode episode;
    EXPECT_TRUE(episode.begins(start));
    for (auto now = start; now < start + 1min; now += Episode::rest) EXPECT_FALSE(episode.begins(now));
    EXPECT_TRUE(episode.begins(start + 2min));
    EXPECT_FALSE(episode.begins(start + 2min));
}

}  // namespace
}  // namespace hairpin::proxy
