#include "engines/proxy/counters.h"

namespace hairpin::proxy {

std::optional<uint64_t> Throttle::admit(std::chrono::steady_clock::time_point now) {
    constexpr std::chrono::steady_clock::duration interval = std::chrono::seconds(1);
    const auto ticks = now.time_since_epoch().count();
    auto next = next_.load(std::memory_order_relaxed);
    if (ticks < next || !next_.compare_exchange_strong(next, ticks + interval.count())) {
        held_back_.fetch_add(1, std::memory_order_relaxed);
        return std::nullopt;
    }
    return held_back_.exchange(0, std::memory_order_relaxed);
}

ServiceRecord::ServiceRecord(std::string name, size_t workers, std::function<void(const Event&)> on_event)
    : name_(std::move(name)), counters_(workers), on_event_(std::move(on_event)) {}

size_t ServiceRecord::slot(Balance balance, size_t slots, const Ip& client) {
    if (slots <= 1) return 0;
    if (balance != Balance::round_robin) return source_hash(client, slots);
    return turn_.fetch_add(1, std::memory_order_relaxed) % slots;
}

ServiceStats ServiceRecord::total() const {
    ServiceStats total;
    total.service = name_;
    for (const Counters& counters : counters_) {
        total.active += counters.active.get();
        for (size_t i = 0; i < total.accepted.size(); ++i) total.accepted[i] += counters.accepted[i].get();
        for (size_t i = 0; i < total.refused.size(); ++i) total.refused[i] += counters.refused[i].get();
        total.bytes_to_backends += counters.bytes_to_backends.get();
        total.bytes_to_clients += counters.bytes_to_clients.get();
    }
    return total;
}

void ServiceRecord::report(Limit limit, uint32_t most, const Ip& client) {
    if (!episodes_[static_cast<size_t>(limit)].begins(std::chrono::steady_clock::now())) return;
    try {
        tell(reached(limit, most) + " (" + client.str() + " was the first)", 0);
    } catch (const std::bad_alloc&) {
    }
}

void ServiceRecord::tell(const std::string& message, uint64_t held_back) const {
    std::string text = "service " + name_ + ": " + message;
    if (held_back > 0) text += " (and " + std::to_string(held_back) + " more like this before)";
    on_event_({Event::Level::warning, text});
}

}  // namespace hairpin::proxy
