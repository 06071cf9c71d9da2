// What has happened: told to the log, and kept for who asks.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>

#include "model/event.h"

namespace hairpin {

// Numbers grow by one from event to event. A daemon's first one has its start in it, so that numbers grow from daemon
// to daemon, too, where the clock does: thousandths of the milliseconds since 1970, which JSON can hold exactly.
struct NumberedEvent {
    using Time = std::chrono::system_clock::time_point;

    uint64_t number = 0;
    Time at;
    Event event;
};

// Any thread.
class Events {
public:
    static constexpr size_t most = 4096;
    static constexpr size_t most_bytes = size_t{4} * 1024 * 1024;  // of texts

    explicit Events(NumberedEvent::Time start = std::chrono::system_clock::now());

    // Logs it, and keeps it where it has a kind. The oldest ones make room; one for which there is no memory is missed.
    void tell(Event event) noexcept;

    // The first one after this number; nothing: there is none yet. Where events between are not known, by this daemon
    // or any more, it is one that says so, EventKind::missed, with the number of the last of them.
    std::optional<NumberedEvent> after(uint64_t number) const;

    uint64_t last() const;           // the number of the last one
    uint64_t before_oldest() const;  // the number after which all come that are kept

private:
    void keep(Event event);
    NumberedEvent gap(uint64_t from, uint64_t to) const;

    const uint64_t before_first_;
    mutable std::mutex mutex_;  // guards what follows
    uint64_t last_;
    size_t bytes_ = 0;  // of texts
    std::deque<NumberedEvent> kept_;
};

}  // namespace hairpin
