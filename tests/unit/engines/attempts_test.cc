// Which backends the proxy tries, and in which order.
#include "engines/proxy/attempts.h"

#include <gtest/gtest.h>

namespace hairpin::proxy {
namespace {

using namespace std::chrono_literals;

std::shared_ptr<const Slots> shared(Slots slots) { return std::make_shared<const Slots>(std::move(slots)); }

std::vector<size_t> tried(Attempts attempts) {
    std::vector<size_t> backends;
    while (const auto choice = attempts.next()) backends.push_back(choice->backend);
    EXPECT_FALSE(attempts.next());
    return backends;
}
std::vector<size_t> tried(Slots slots, size_t first) { return tried(Attempts(shared(std::move(slots)), first)); }

TEST(Attempts, GoRoundFromTheFirstSlot) {
    EXPECT_EQ(tried({0, 1, 2}, 0), (std::vector<size_t>{0, 1, 2}));
    EXPECT_EQ(tried({0, 1, 2}, 2), (std::vector<size_t>{2, 0, 1}));
    EXPECT_EQ(tried({}, 0), std::vector<size_t>{});
}

TEST(Attempts, TryEachBackendOnce) {
    EXPECT_EQ(tried({3, 3, 1, 3, 2, 3, 3}, 1), (std::vector<size_t>{3, 1, 2}));
    EXPECT_EQ(tried({3, 3, 1, 3, 2, 3, 3}, 4), (std::vector<size_t>{2, 3, 1}));
}

TEST(Attempts, ThenTryTheRestEachOnce) {
    Attempts attempts(shared({2, 1}), 1);
    attempts.then(shared({0, 1, 2, 3}), 0);
    EXPECT_EQ(tried(std::move(attempts)), (std::vector<size_t>{1, 2, 0, 3}));
}

// Backends of these weights, and flows that live there.
class Busy : public testing::Test {
protected:
    explicit Busy() : slots_(shared({})) {}

    void have(const std::vector<uint32_t>& weights) {
        for (const uint32_t weight : weights) {
            service_.backends.push_back({{}, weight});
            records_.push_back(std::make_shared<BackendRecord>());
        }
        slots_ = shared(turns(weights));
    }
    void begin(size_t backend, int flows) {
        for (int i = 0; i < flows; ++i) alive_.emplace_back(records_[backend]);
    }
    std::vector<size_t> order(size_t first) const { return tried(Attempts(slots_, first, service_, records_)); }
    // Who gets so many flows that stay, one after the other.
    std::vector<int> shares(int flows) {
        std::vector<int> shares(records_.size());
        for (int i = 0; i < flows; ++i) {
            const auto choice = Attempts(slots_, static_cast<size_t>(i), service_, records_).next();
            begin(choice->backend, 1);
            ++shares[choice->backend];
        }
        return shares;
    }

    Service service_;
    BackendRecords records_;
    std::shared_ptr<const Slots> slots_;
    std::vector<LiveThere> alive_;
};

TEST_F(Busy, TheLeastBusyIsTriedFirstAndTheBusiestLast) {
    have({1, 1, 1});
    begin(0, 5);
    begin(1, 1);
    begin(2, 3);
    for (const size_t first : {0u, 1u, 2u}) EXPECT_EQ(order(first), (std::vector<size_t>{1, 2, 0}));
}

TEST_F(Busy, ThoseThatAreEquallyBusyHaveTurns) {
    have({1, 1, 1});
    EXPECT_EQ(order(0), (std::vector<size_t>{0, 1, 2}));
    EXPECT_EQ(order(2), (std::vector<size_t>{2, 0, 1}));
    begin(0, 1);
    EXPECT_EQ(order(0), (std::vector<size_t>{1, 2, 0}));
    EXPECT_EQ(order(2), (std::vector<size_t>{2, 1, 0}));
}

TEST_F(Busy, FlowsCountByWeight) {
    have({3, 1, 0});
    begin(0, 5);
    begin(1, 2);
    EXPECT_EQ(order(0), (std::vector<size_t>{0, 1})) << "5/3 is less than 2, and weight 0 takes nothing";
    begin(0, 2);
    EXPECT_EQ(order(0), (std::vector<size_t>{1, 0}));
}

TEST_F(Busy, FlowsThatStayAreSharedByWeight) {
    have({3, 1});
    EXPECT_EQ(shares(40), (std::vector<int>{30, 10}));
}

TEST_F(Busy, OneThatHasEndedCountsNoMore) {
    have({1, 1});
    begin(0, 2);
    begin(1, 3);
    EXPECT_EQ(order(1).front(), 0u);
    alive_.pop_back();
    alive_.pop_back();
    EXPECT_EQ(order(0).front(), 1u);
}

// A newcomer is not flooded: it fills up within `settling`.
TEST(BackendRecord, ANewcomerCountsAsBusyAsTheOthersForAWhile) {
    BackendRecord record;
    const auto now = Clock::now();
    record.join(300, now);
    EXPECT_EQ(record.busy(now), 300u);
    EXPECT_EQ(record.busy(now + 10s), 200u);
    EXPECT_EQ(record.busy(now + 29s), 10u);
    EXPECT_EQ(record.busy(now + 30s), 0u);
    EXPECT_EQ(record.busy(now + 1h), 0u);
}

TEST(BackendRecord, WhoIsAsBusyAlreadyIsNoNewcomer) {
    const auto record = std::make_shared<BackendRecord>();
    const LiveThere one(record);
    const LiveThere two(record);
    const auto now = Clock::now();
    record->join(1, now);
    EXPECT_EQ(record->busy(now), 2u);
    record->join(5, now);
    EXPECT_EQ(record->busy(now), 5u);
}

TEST(BackendRecord, FailuresCountInARow) {
    BackendRecord record;
    EXPECT_EQ(record.failed(), 1u);
    EXPECT_EQ(record.failed(), 2u);
    record.accepted();
    EXPECT_EQ(record.failed(), 1u);
}

}  // namespace
}  // namespace hairpin::proxy
