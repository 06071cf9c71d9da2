// Many coarse timers for one thread: arming, re-arming and cancelling cost a few stores each, nothing allocates.
//
// A hashed wheel (Varghese and Lauck, scheme 6): time runs in ticks of 64 ms, a timer waits in the slot of its tick
// modulo the number of slots, and one that is more than a turn of the wheel away is passed over until its turn comes.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <ratio>

namespace hairpin {

class TimerWheel;

// A place in a ring of timers, or the head of one.
struct TimerLink {
    TimerLink* next = nullptr;
    TimerLink* previous = nullptr;
};

// What wants to be told the time: a base of whatever has one timeout, a member of what has several. 32 bytes. Stays
// where it is; may be destroyed while armed.
class Timer : private TimerLink {
public:
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;
    virtual ~Timer() { cancel(); }

    void cancel();  // no effect where it is not armed
    bool armed() const { return next != nullptr; }

protected:
    Timer() = default;

private:
    friend class TimerWheel;

    // The deadline has passed; the timer is no longer armed. May arm, cancel and destroy any timer, this one too.
    virtual void expired() = 0;

    int64_t tick_ = 0;  // when it expires, counted from the wheel's start
};

// Belongs to one thread, as do its timers. Asks no clock: `now` is the caller's.
class TimerWheel {
public:
    using Clock = std::chrono::steady_clock;
    using Time = Clock::time_point;
    static constexpr std::chrono::milliseconds resolution{64};

    explicit TimerWheel(Time now);
    TimerWheel(const TimerWheel&) = delete;
    TimerWheel& operator=(const TimerWheel&) = delete;
    ~TimerWheel();  // what is still armed never expires

    // Expires `timer` in the first advance() to a time after the deadline, rounded up to the resolution: never early.
    // Replaces the deadline of a timer that is armed. Putting it off, as every datagram of a session does, is one
    // store.
    void arm(Timer& timer, Time deadline);

    // Expires what is due, in no particular order. A timer that is armed meanwhile waits for the next call, so this
    // ends. Not to be called, and the wheel not to be destroyed, by a timer that expires.
    void advance(Time now);

    // The next time at which advance() may have something to do: not later than the next expiry, but perhaps earlier.
    // Absent: nothing is armed.
    std::optional<Time> next_deadline();

    // The same as a timeout for epoll_wait(2): milliseconds, -1 for ever.
    int poll_timeout(Time now);

private:
    static constexpr int64_t slot_count = 4096;  // a turn takes 4 min 22 s
    using Tick = std::chrono::duration<int64_t, std::ratio<resolution.count(), 1000>>;

    int64_t tick_at(Time time) const;  // rounded down
    void insert(Timer& timer);

    const Time start_;
    int64_t now_ = 0;  // the last tick that advance() has dealt with
    std::array<TimerLink, slot_count> slots_;
    std::array<uint64_t, slot_count / 64> occupied_{};  // a bit for each slot; clear only where the slot is empty
};

}  // namespace hairpin
