// What all workers know together of one backend of a service: what lives there, what came to it, and whether it accepts
// clients.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "model/stats.h"

namespace hairpin::proxy {

using Clock = std::chrono::steady_clock;

// Any thread, but where another one is named.
class BackendRecord {
public:
    BackendRecord() = default;
    ~BackendRecord();
    BackendRecord(const BackendRecord&) = delete;
    BackendRecord& operator=(const BackendRecord&) = delete;

    // Connections and sessions that live there or are being opened; and what it is ahead by, of a newcomer: see join().
    uint64_t busy(Clock::time_point now) const;

    // The backend begins to take new flows while each of the others of its weight has this many. If it counted as idle
    // it would get all new flows until it has as many. So it counts as busy as they are, less and less for the time
    // `settling`, and fills up while that passes. The engine's thread.
    void join(uint64_t others, Clock::time_point now);
    static constexpr std::chrono::seconds settling{30};

    // One more connection or session has reached it; `took`: for how long that was waited for. Where there is no memory
    // for what has not come on this path before, it is not counted.
    void count(Path path, std::optional<std::chrono::nanoseconds> took);
    // What came to it, by the paths on which anything did; `backend`: which one this is.
    void tell(const EndpointRange& backend, std::vector<BackendStats>& all) const;

    // A client's connection was accepted, or was not; the number of those in a row that were not, this one included.
    void accepted();
    uint32_t failed() { return failures_.fetch_add(1, std::memory_order_relaxed) + 1; }

private:
    friend class LiveThere;
    struct Came {
        std::atomic<uint64_t> accepted{0};
        std::array<std::atomic<uint64_t>, duration_bounds.size() + 1> buckets{};
        std::atomic<std::chrono::nanoseconds::rep> sum{0};
    };
    Came* came_on(Path path);

    std::array<std::atomic<Came*>, names_of<Path>.size()> came_{};  // owned; null: nothing has come on the path
    std::atomic<uint32_t> live_{0};
    std::atomic<uint32_t> failures_{0};
    std::atomic<uint64_t> ahead_{0};
    std::atomic<Clock::rep> joined_{0};
};

// By the index in Service::backends.
using BackendRecords = std::vector<std::shared_ptr<BackendRecord>>;

// Counts as one that lives at a backend, as long as it exists. One thread.
class LiveThere {
public:
    LiveThere() = default;
    explicit LiveThere(std::shared_ptr<BackendRecord> backend) : backend_(std::move(backend)) {
        if (backend_) backend_->live_.fetch_add(1, std::memory_order_relaxed);
    }
    LiveThere(LiveThere&& other) noexcept : backend_(std::move(other.backend_)) {}
    LiveThere& operator=(LiveThere other) noexcept {
        backend_.swap(other.backend_);
        return *this;
    }
    ~LiveThere() {
        if (backend_) backend_->live_.fetch_sub(1, std::memory_order_relaxed);
    }

private:
    std::shared_ptr<BackendRecord> backend_;
};

}  // namespace hairpin::proxy
