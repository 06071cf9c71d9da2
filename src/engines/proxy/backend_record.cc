#include "engines/proxy/backend_record.h"

#include <algorithm>
#include <new>

namespace hairpin::proxy {

BackendRecord::~BackendRecord() {
    for (const auto& came : came_) delete came.load();
}

// Most backends are called on one path or two, and there may be 100,000 of them: so what is counted is made as it
// comes.
BackendRecord::Came* BackendRecord::came_on(Path path) {
    std::atomic<Came*>& place = came_[static_cast<size_t>(path)];
    Came* known = place.load(std::memory_order_acquire);
    if (known) return known;
    auto* made = new (std::nothrow) Came;
    if (!made || place.compare_exchange_strong(known, made, std::memory_order_acq_rel)) return made;
    delete made;
    return known;  // another worker was quicker
}

void BackendRecord::count(Path path, std::optional<std::chrono::nanoseconds> took) {
    Came* came = came_on(path);
    if (!came) return;
    came->accepted.fetch_add(1, std::memory_order_relaxed);
    if (!took) return;
    const auto bound = std::ranges::lower_bound(duration_bounds, *took);
    came->buckets[static_cast<size_t>(bound - duration_bounds.begin())].fetch_add(1, std::memory_order_relaxed);
    came->sum.fetch_add(took->count(), std::memory_order_relaxed);
}

void BackendRecord::tell(const EndpointRange& backend, std::vector<BackendStats>& all) const {
    for (size_t i = 0; i < came_.size(); ++i) {
        const Came* came = came_[i].load(std::memory_order_acquire);
        if (!came) continue;
        BackendStats& stats = all.emplace_back(BackendStats{.backend = backend, .path = static_cast<Path>(i)});
        stats.accepted = came->accepted.load(std::memory_order_relaxed);
        for (size_t bucket = 0; bucket < came->buckets.size(); ++bucket) {
            stats.connecting.buckets[bucket] = came->buckets[bucket].load(std::memory_order_relaxed);
        }
        stats.connecting.sum = std::chrono::nanoseconds(came->sum.load(std::memory_order_relaxed));
    }
}

uint64_t BackendRecord::busy(Clock::time_point now) const {
    const uint64_t live = live_.load(std::memory_order_relaxed);
    const uint64_t ahead = ahead_.load(std::memory_order_relaxed);
    if (ahead == 0) return live;
    const auto since = now - Clock::time_point(Clock::duration(joined_.load(std::memory_order_relaxed)));
    if (since >= settling) return live;
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(settling - since).count();
    return live + ahead * static_cast<uint64_t>(left) / std::chrono::milliseconds(settling).count();
}

void BackendRecord::join(uint64_t others, Clock::time_point now) {
    const uint64_t live = live_.load(std::memory_order_relaxed);
    joined_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
    ahead_.store(others > live ? others - live : 0, std::memory_order_relaxed);
}

// Mostly there is nothing to forget, and so nothing to write.
void BackendRecord::accepted() {
    if (failures_.load(std::memory_order_relaxed) != 0) failures_.store(0, std::memory_order_relaxed);
}

}  // namespace hairpin::proxy
