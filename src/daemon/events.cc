#include "daemon/events.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <new>
#include <numeric>
#include <string>
#include <utility>

namespace hairpin {
namespace {

constexpr uint64_t numbers_in_a_millisecond = 1000;

uint64_t first_number(NumberedEvent::Time start) {
    const auto since_1970 = std::chrono::duration_cast<std::chrono::milliseconds>(start.time_since_epoch());
    return static_cast<uint64_t>(since_1970.count()) * numbers_in_a_millisecond;
}

spdlog::level::level_enum log_level(Event::Level level) {
    switch (level) {
        case Event::Level::info:
            return spdlog::level::info;
        case Event::Level::warning:
            return spdlog::level::warn;
        case Event::Level::error:
            return spdlog::level::err;
    }
    return spdlog::level::err;
}

size_t bytes_of(const Event& event) {
    size_t bytes = 0;
    for (const std::string* text : {&event.message, &event.service, &event.backend, &event.link, &event.name,
                                    &event.limit, &event.reason, &event.by}) {
        bytes += text->size();
    }
    const auto add = [](size_t sum, const std::string& text) { return sum + text.size(); };
    for (const auto* list : {&event.addresses, &event.reasons}) {
        bytes = std::accumulate(list->begin(), list->end(), bytes, add);
    }
    return bytes;
}

}  // namespace

Events::Events(NumberedEvent::Time start) : before_first_(first_number(start) - 1), last_(before_first_) {}

void Events::tell(Event event) noexcept {
    spdlog::log(log_level(event.level), event.message);
    if (!event.kind) return;
    const std::lock_guard lock(mutex_);
    ++last_;
    try {
        keep(std::move(event));
    } catch (const std::bad_alloc&) {  // its number is missing
    }
}

void Events::keep(Event event) {
    const size_t bytes = bytes_of(event);
    kept_.push_back({last_, std::chrono::system_clock::now(), std::move(event)});
    bytes_ += bytes;
    while (kept_.size() > most || (bytes_ > most_bytes && kept_.size() > 1)) {
        bytes_ -= bytes_of(kept_.front().event);
        kept_.pop_front();
    }
}

std::optional<NumberedEvent> Events::after(uint64_t number) const {
    const std::lock_guard lock(mutex_);
    if (number == last_) return std::nullopt;
    // A number that is still to come is of another daemon, before which the clock went back.
    const bool is_to_come = number > last_;
    const auto next = is_to_come ? kept_.begin() : std::ranges::upper_bound(kept_, number, {}, &NumberedEvent::number);
    const uint64_t found = next == kept_.end() ? last_ + 1 : next->number;
    if (found == number + 1) return *next;
    return gap(number, found - 1);
}

NumberedEvent Events::gap(uint64_t from, uint64_t to) const {
    const bool is_ours = from >= before_first_ && from < to;
    const std::string what =
        is_ours ? fmt::format("{} events after number {} are not known any more: they were asked for too late",
                              to - from, from)
                : fmt::format("this gateway does not know what came after number {} and before its own start", from);
    return {to,
            std::chrono::system_clock::now(),
            {.kind = EventKind::missed, .level = Event::Level::warning, .message = what}};
}

uint64_t Events::last() const {
    const std::lock_guard lock(mutex_);
    return last_;
}

uint64_t Events::before_oldest() const {
    const std::lock_guard lock(mutex_);
    return kept_.empty() ? last_ : kept_.front().number - 1;
}

}  // namespace hairpin
