// The timer wheel against a clock of our own: bounds of every expiry, and callbacks that pull the wheel apart.
#include "engines/proxy/timer_wheel.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <vector>

namespace hairpin {
namespace {

using namespace std::chrono_literals;
using Time = TimerWheel::Time;

constexpr auto resolution = TimerWheel::resolution;
constexpr auto turn = 4096 * resolution;
const Time start = Time(1234567us);

class TestTimer : public Timer {
public:
    explicit TestTimer(std::function<void()> act = [] {}) : act_(std::move(act)) {}
    int count = 0;

private:
    void expired() override {
        ++count;
        EXPECT_FALSE(armed());
        const auto act = act_;  // it may destroy this timer
        act();
    }
    std::function<void()> act_;
};

TEST(TimerWheel, expires_once_and_never_early) {
    for (const auto timeout : std::initializer_list<TimerWheel::Clock::duration>{
             0ms, 1ns, 1ms, 63ms, 64ms, 65ms, 3s, turn - 1ms, turn, turn + 1ms, 300s, 5h}) {
        TimerWheel wheel(start);
        TestTimer timer;
        wheel.arm(timer, start + timeout);
        wheel.advance(start + timeout - 1ns);
        EXPECT_EQ(timer.count, 0) << timeout.count();
        EXPECT_TRUE(timer.armed());
        wheel.advance(start + timeout + resolution);
        EXPECT_EQ(timer.count, 1) << timeout.count();
        EXPECT_FALSE(timer.armed());
        wheel.advance(start + timeout + 3 * turn);
        EXPECT_EQ(timer.count, 1) << timeout.count();
    }
}

TEST(TimerWheel, takes_deadlines_of_the_past_and_of_the_end_of_time) {
    TimerWheel wheel(start);
    TestTimer past, never;
    wheel.arm(past, start - 1h);
    wheel.arm(never, Time::max());
    wheel.advance(start + resolution);
    EXPECT_EQ(past.count, 1);
    wheel.advance(start + 24h * 365);
    EXPECT_EQ(never.count, 0);
}

TEST(TimerWheel, goes_round_for_hours) {
    TimerWheel wheel(start);
    TestTimer timer;
    wheel.arm(timer, start + 2h);
    Time now = start;
    for (; now < start + 2h; now += 50ms) {
        wheel.advance(now);
        ASSERT_EQ(timer.count, 0);
    }
    wheel.advance(now + resolution);
    EXPECT_EQ(timer.count, 1);
}

TEST(TimerWheel, forgets_a_cancelled_timer) {
    TimerWheel wheel(start);
    TestTimer timer;
    timer.cancel();
    wheel.arm(timer, start + 1s);
    timer.cancel();
    EXPECT_FALSE(timer.armed());
    wheel.advance(start + 1h);
    EXPECT_EQ(timer.count, 0);
    EXPECT_EQ(wheel.next_deadline(), std::nullopt);
}

TEST(TimerWheel, arming_again_replaces_the_deadline) {
    TimerWheel wheel(start);
    TestTimer sooner, later, there_and_back;
    wheel.arm(sooner, start + 2 * turn);
    wheel.arm(sooner, start + 1s);
    wheel.arm(later, start + 1s);
    wheel.arm(later, start + 10s);
    wheel.arm(there_and_back, start + 1s);
    wheel.arm(there_and_back, start + 10s);
    wheel.arm(there_and_back, start + 5s);

    wheel.advance(start + 1s + resolution);
    EXPECT_EQ(sooner.count, 1);
    EXPECT_EQ(later.count + there_and_back.count, 0);
    wheel.advance(start + 5s + resolution);
    EXPECT_EQ(there_and_back.count, 1);
    EXPECT_EQ(later.count, 0);
    wheel.advance(start + 10s + resolution);
    EXPECT_EQ(sooner.count + later.count + there_and_back.count, 3);
}

TEST(TimerWheel, a_session_that_stays_busy_stays) {
    TimerWheel wheel(start);
    TestTimer idle;
    Time now = start;
    for (; now < start + 1h; now += 100ms) {
        wheel.arm(idle, now + 300s);
        wheel.advance(now);
    }
    EXPECT_EQ(idle.count, 0);
    wheel.advance(now + 299s);
    EXPECT_EQ(idle.count, 0);
    wheel.advance(now + 301s);
    EXPECT_EQ(idle.count, 1);
}

TEST(TimerWheel, expires_all_that_is_due_after_a_long_absence) {
    TimerWheel wheel(start);
    std::vector<TestTimer> timers(1000);
    for (size_t i = 0; i < timers.size(); ++i) wheel.arm(timers[i], start + i * 1s);
    wheel.advance(start + 500s);
    for (size_t i = 0; i < timers.size(); ++i) ASSERT_EQ(timers[i].count, i < 500) << i;  // 500 s is rounded up
}

// Whichever of two due timers expires first does away with the other.
TEST(TimerWheel, a_callback_may_cancel_or_destroy_a_timer_of_the_same_advance) {
    for (const auto distance : {0ms, 1000ms}) {
        TimerWheel wheel(start);
        std::unique_ptr<TestTimer> a, b;
        int expiries = 0;
        a = std::make_unique<TestTimer>([&] { ++expiries, b.reset(); });
        b = std::make_unique<TestTimer>([&] { ++expiries, a.reset(); });
        TestTimer c, d;
        TestTimer cancels([&] { c.cancel(), d.cancel(); });
        wheel.arm(c, start + 20s);
        wheel.arm(*a, start + 1s);
        wheel.arm(*b, start + 1s + distance);
        wheel.arm(cancels, start + 10s);
        wheel.arm(d, start + 20s);
        wheel.advance(start + 5s);
        EXPECT_EQ(expiries, 1);
        EXPECT_NE(a == nullptr, b == nullptr);
        wheel.advance(start + 10s + resolution);
        EXPECT_EQ(cancels.count, 1);
        wheel.advance(start + 30s);
        EXPECT_EQ(c.count + d.count, 0);
    }
}

TEST(TimerWheel, a_callback_may_put_off_a_timer_of_the_same_advance) {
    TimerWheel wheel(start);
    std::unique_ptr<TestTimer> a, b;
    const auto put_off = [&](std::unique_ptr<TestTimer>& timer) { wheel.arm(*timer, start + 10s); };
    a = std::make_unique<TestTimer>([&] { put_off(b); });
    b = std::make_unique<TestTimer>([&] { put_off(a); });
    wheel.arm(*a, start + 1s);
    wheel.arm(*b, start + 1s);
    wheel.advance(start + 2s);
    EXPECT_EQ(a->count + b->count, 1);
    EXPECT_NE(a->armed(), b->armed());
    wheel.advance(start + 11s);
    EXPECT_EQ(a->count, 1);
    EXPECT_EQ(b->count, 1);
}

TEST(TimerWheel, a_callback_may_destroy_its_own_timer) {
    TimerWheel wheel(start);
    int expiries = 0;
    std::unique_ptr<TestTimer> timer;
    timer = std::make_unique<TestTimer>([&] { ++expiries, timer.reset(); });
    wheel.arm(*timer, start + 1s);
    wheel.advance(start + 2s);
    EXPECT_EQ(expiries, 1);
    EXPECT_EQ(wheel.next_deadline(), std::nullopt);
}

TEST(TimerWheel, what_a_callback_arms_waits_for_the_next_advance) {
    TimerWheel wheel(start);
    TestTimer* self = nullptr;
    TestTimer other;
    TestTimer timer([&] {
        wheel.arm(*self, start);  // long past: must not expire for ever
        if (self->count == 1) wheel.arm(other, start + 1s);
    });
    self = &timer;
    wheel.arm(timer, start + 1s);
    for (int i = 1; i <= 3; ++i) {
        wheel.advance(start + i * 2s);
        EXPECT_EQ(timer.count, i);
        EXPECT_EQ(other.count, i > 1);
    }
}

TEST(TimerWheel, timers_may_outlive_it) {
    TestTimer timer;
    {
        TimerWheel wheel(start);
        wheel.arm(timer, start + 1s);
    }
    EXPECT_FALSE(timer.armed());
}

TEST(TimerWheel, says_how_long_to_wait) {
    TimerWheel wheel(start);
    EXPECT_EQ(wheel.next_deadline(), std::nullopt);
    EXPECT_EQ(wheel.poll_timeout(start), -1);
    TestTimer soon, late;
    wheel.arm(late, start + 200s);
    wheel.arm(soon, start + 10 * resolution);
    EXPECT_EQ(wheel.next_deadline(), start + 10 * resolution);
    EXPECT_EQ(wheel.poll_timeout(start), 640);
    EXPECT_EQ(wheel.poll_timeout(start + 1ns), 640);  // rounded up, or epoll_wait would return too soon and spin
    EXPECT_EQ(wheel.poll_timeout(start + 1s), 0);
    soon.cancel();
    EXPECT_EQ(wheel.next_deadline(), start + 200s);
    late.cancel();
    EXPECT_EQ(wheel.poll_timeout(start), -1);
}

TEST(TimerWheel, a_loop_that_sleeps_as_told_wakes_once_a_turn_and_once_more) {
    TimerWheel wheel(start);
    TestTimer timer;
    const Time deadline = start + 3 * turn + 5s;
    wheel.arm(timer, deadline);
    Time now = start;
    int wakes = 0;
    while (timer.count == 0) {
        const int timeout = wheel.poll_timeout(now);
        ASSERT_GE(timeout, 0);
        now += std::chrono::milliseconds(timeout);
        wheel.advance(now);
        ASSERT_LE(++wakes, 4);
    }
    EXPECT_GE(now, deadline);
    EXPECT_LT(now, deadline + resolution + 1ms);
}

TEST(TimerWheel, carries_a_hundred_thousand) {
    TimerWheel wheel(start);
    std::vector<TestTimer> timers(100'000);
    for (size_t i = 0; i < timers.size(); ++i) wheel.arm(timers[i], start + i * 3ms);
    for (Time now = start; now <= start + 301s; now += 500ms) wheel.advance(now);
    for (const auto& timer : timers) ASSERT_EQ(timer.count, 1);
}

// Random arming, cancelling, destruction and passing of time, from outside and from callbacks, beside a plain map of
// deadlines. What the two agree on: which timers are armed, that nothing expires early, that nothing due is left over.
class Differential {
public:
    explicit Differential(unsigned seed) : random_(seed) {
        for (size_t i = 0; i < 200; ++i) make(i);
    }

    void step() {
        act();
        if (below(4) != 0) return;
        const auto next = wheel_.next_deadline();
        ASSERT_EQ(next.has_value(), !by_deadline_.empty());
        if (next) {
            ASSERT_LT(*next, std::max(by_deadline_.begin()->first, now_) + 2 * resolution);
        }
        now_ += random_span();
        armed_meanwhile_.clear();
        wheel_.advance(now_);
        for (const auto& [deadline, i] : by_deadline_) {
            ASSERT_TRUE(timers_[i]->armed());
            ASSERT_TRUE(deadline > now_ - resolution || armed_meanwhile_.contains(i)) << "left over";
        }
        for (size_t i = 0; i < timers_.size(); ++i) ASSERT_EQ(timers_[i]->armed(), deadline_.contains(i));
    }
    int expiries() const { return expiries_; }

private:
    size_t below(size_t limit) { return std::uniform_int_distribution<size_t>(0, limit - 1)(random_); }

    // From nothing over one tick to several turns.
    std::chrono::microseconds random_span() { return std::chrono::microseconds(below(size_t{1} << below(31))); }

    void make(size_t i) {
        if (i >= timers_.size()) timers_.resize(i + 1);
        timers_[i] = std::make_unique<TestTimer>([this, i] { expired(i); });
    }

    void forget(size_t i) {
        const auto found = deadline_.find(i);
        if (found == deadline_.end()) return;
        by_deadline_.erase(found->second);
        deadline_.erase(found);
    }

    void act() {
        const size_t i = below(timers_.size());
        forget(i);
        switch (below(6)) {
            case 0:
                timers_[i]->cancel();
                break;
            case 1:
                make(i);
                break;
            default:
                const Time deadline = now_ + random_span();
                wheel_.arm(*timers_[i], deadline);
                deadline_[i] = by_deadline_.emplace(deadline, i);
                armed_meanwhile_.insert(i);
        }
    }

    void expired(size_t i) {
        ++expiries_;
        const auto found = deadline_.find(i);
        ASSERT_NE(found, deadline_.end()) << "expired without having been armed";
        ASSERT_LE(found->second->first, now_) << "early";
        ASSERT_FALSE(armed_meanwhile_.contains(i)) << "expired in the advance that armed it";
        forget(i);
        for (size_t n = below(3); n > 0; --n) act();
    }

    std::mt19937 random_;
    Time now_ = start;
    TimerWheel wheel_{start};
    std::vector<std::unique_ptr<TestTimer>> timers_;
    std::multimap<Time, size_t> by_deadline_;
    std::map<size_t, std::multimap<Time, size_t>::iterator> deadline_;
    std::set<size_t> armed_meanwhile_;  // by callbacks of this advance
    int expiries_ = 0;
};

TEST(TimerWheel, agrees_with_a_map_of_deadlines) {
    int expiries = 0;
    for (unsigned seed = 1; seed <= 20; ++seed) {
        Differential differential(seed);
        for (int i = 0; i < 2000 && !testing::Test::HasFatalFailure(); ++i) differential.step();
        ASSERT_FALSE(testing::Test::HasFatalFailure()) << "seed " << seed;
        expiries += differential.expiries();
    }
    EXPECT_GT(expiries, 1000);
}

}  // namespace
}  // namespace hairpin
