#include "engines/proxy/counters.h"

#include <algorithm>

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

ServiceRecord::ServiceRecord(std::string name, size_t workers, std::function<void(const Event&)> on_event,
                             OnFailure on_failure)
    : name_(std::move(name)), counters_(workers), on_event_(std::move(on_event)), on_failure_(std::move(on_failure)) {}

std::shared_ptr<const BackendRecords> ServiceRecord::backends_of(const Service& service) {
    auto records = std::make_shared<BackendRecords>();
    for (const Backend& backend : service.backends) {
        auto& record = backends_[backend.endpoint];
        if (!record) record = std::make_shared<BackendRecord>();
        records->push_back(record);
    }
    return records;
}

void ServiceRecord::serve(const Service& service) {
    const auto now = Clock::now();
    std::set<EndpointRange> taking;
    for (const Backend& backend : service.backends) {
        if (backend.weight == 0) continue;
        taking.insert(backend.endpoint);
        if (!taking_.contains(backend.endpoint)) {
            backends_.at(backend.endpoint)->join(join_at(service, backend, now), now);
        }
    }
    taking_ = std::move(taking);
    std::erase_if(backends_, [](const auto& known) { return known.second.use_count() == 1; });
}

// As many flows as those that take some already have the fewest of, for its weight.
uint64_t ServiceRecord::join_at(const Service& service, const Backend& newcomer, Clock::time_point now) const {
    std::optional<uint64_t> fewest;
    for (const Backend& backend : service.backends) {
        if (backend.weight == 0 || !taking_.contains(backend.endpoint)) continue;
        const uint64_t busy = backends_.at(backend.endpoint)->busy(now) * newcomer.weight / backend.weight;
        fewest = std::min(busy, fewest.value_or(busy));
    }
    return fewest.value_or(0);
}

void ServiceRecord::tell_failure(const EndpointRange& backend, std::string_view reason) const {
    on_failure_({name_, backend, "clients are not accepted: " + std::string(reason)});
}

size_t ServiceRecord::slot(Balance balance, size_t slots, const Ip& client) {
    if (slots <= 1) return 0;
    if (is_by_source(balance)) return source_hash(client, slots);
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
    for (const auto& [backend, record] : backends_) record->tell(backend, total.backends);
    return total;
}

void ServiceRecord::report(Limit limit, uint32_t most, const Ip& client) {
    if (!episodes_[static_cast<size_t>(limit)].begins(std::chrono::steady_clock::now())) return;
    try {
        on_event_(limit_event(name_, limit, most, " (" + client.str() + " was the first)"));
    } catch (const std::bad_alloc&) {
    }
}

void ServiceRecord::tell(const std::string& message, uint64_t held_back) const {
    std::string text = "service " + name_ + ": " + message;
    if (held_back > 0) text += " (and " + std::to_string(held_back) + " more like this before)";
    on_event_({.level = Event::Level::warning, .message = std::move(text)});
}

}  // namespace hairpin::proxy
