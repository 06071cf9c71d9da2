// When to tell that clients meet a limit: once as it begins, however many do.
#pragma once

#include <atomic>
#include <chrono>
#include <string>

#include "model/event.h"
#include "model/limits.h"

namespace hairpin {

// Any thread.
class Episode {
public:
    static constexpr std::chrono::seconds rest{10};  // without one that meets the limit ends it

    // Another one has met it; whether this begins an episode.
    bool begins(std::chrono::steady_clock::time_point now) {
        const auto ticks = now.time_since_epoch().count();
        const auto before = last_.exchange(ticks, std::memory_order_relaxed);
        return before == never || ticks - before > std::chrono::steady_clock::duration(rest).count();
    }

private:
    using Ticks = std::chrono::steady_clock::rep;
    static constexpr Ticks never = 0;
    std::atomic<Ticks> last_{never};
};

// What is told then. `more`: what else is known, in words.
inline Event limit_event(const std::string& service, Limit limit, uint32_t most, const std::string& more = "") {
    return {.kind = EventKind::limit_met,
            .level = Event::Level::warning,
            .message = "service " + service + ": " + reached(limit, most) + more,
            .service = service,
            .limit = std::string(name(limit))};
}

}  // namespace hairpin
