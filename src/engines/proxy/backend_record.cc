#include "engines/proxy/backend_record.h"

namespace hairpin::proxy {

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
