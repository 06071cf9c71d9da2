#include "engines/proxy/timer_wheel.h"

#include <algorithm>
#include <bit>

namespace hairpin {
namespace {

void make_empty(TimerLink& head) { head.next = head.previous = &head; }
bool is_empty(const TimerLink& head) { return head.next == &head; }

void unlink(TimerLink& link) {
    link.previous->next = link.next;
    link.next->previous = link.previous;
    link = {};
}

void append(TimerLink& head, TimerLink& link) {
    link = {.next = &head, .previous = head.previous};
    head.previous->next = &link;
    head.previous = &link;
}

// Moves all of `from` to the end of `to`.
void splice(TimerLink& to, TimerLink& from) {
    if (is_empty(from)) return;
    from.next->previous = to.previous;
    to.previous->next = from.next;
    from.previous->next = &to;
    to.previous = from.previous;
    make_empty(from);
}

}  // namespace

static_assert(sizeof(Timer) == 32);

void Timer::cancel() {
    if (armed()) unlink(*this);
}

TimerWheel::TimerWheel(Time now) : start_(now) { std::ranges::for_each(slots_, make_empty); }

TimerWheel::~TimerWheel() {
    for (TimerLink& slot : slots_) {
        while (!is_empty(slot)) unlink(*slot.next);
    }
}

int64_t TimerWheel::tick_at(Time time) const { return std::chrono::floor<Tick>(time - start_).count(); }

// Precondition: not armed, and its tick is to come.
void TimerWheel::insert(Timer& timer) {
    const auto slot = static_cast<size_t>(timer.tick_ % slot_count);
    append(slots_[slot], timer);
    occupied_[slot / 64] |= uint64_t{1} << slot % 64;
}

void TimerWheel::arm(Timer& timer, Time deadline) {
    const int64_t before = timer.tick_;
    timer.tick_ = std::max(tick_at(deadline - Clock::duration(1)) + 1, now_ + 1);
    // Put off, it may stay: its slot comes up before its tick does, and advance() then moves it to the right one.
    if (timer.armed() && timer.tick_ >= before) return;
    timer.cancel();
    insert(timer);
}

void TimerWheel::advance(Time now) {
    const int64_t then = now_;
    now_ = std::max(now_, tick_at(now));
    // Off the wheel first, so that whatever expired() arms, even for a slot of these, is not met again in this call.
    TimerLink met;
    make_empty(met);
    for (int64_t tick = std::max(then, now_ - slot_count) + 1; tick <= now_; ++tick) {
        splice(met, slots_[static_cast<size_t>(tick % slot_count)]);
    }
    while (!is_empty(met)) {
        Timer& timer = static_cast<Timer&>(*met.next);
        timer.cancel();
        if (timer.tick_ <= now_) {
            timer.expired();
        } else {
            insert(timer);
        }
    }
}

std::optional<TimerWheel::Time> TimerWheel::next_deadline() {
    for (int64_t tick = now_ + 1; tick <= now_ + slot_count;) {
        uint64_t& word = occupied_[static_cast<size_t>(tick % slot_count / 64)];
        const uint64_t rest = word >> tick % 64;
        if (rest == 0) {
            tick = (tick | 63) + 1;
            continue;
        }
        tick += std::countr_zero(rest);
        if (!is_empty(slots_[static_cast<size_t>(tick % slot_count)])) return start_ + Tick(tick);
        word &= ~(uint64_t{1} << tick % 64);  // those that were here have left
    }
    return std::nullopt;
}

int TimerWheel::poll_timeout(Time now) {
    const auto next = next_deadline();
    if (!next) return -1;
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(*next - now).count();
    return static_cast<int>(std::max<int64_t>(wait, 0));
}

}  // namespace hairpin
