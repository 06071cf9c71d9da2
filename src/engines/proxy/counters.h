// What the workers count, by service, and the reports that traffic may cause without flooding the log.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engines/engine.h"
#include "engines/episode.h"
#include "engines/proxy/backend_record.h"
#include "engines/proxy/flow_limits.h"
#include "model/stats.h"

namespace hairpin::proxy {

// A counter that one thread writes and any thread reads.
class Counter {
public:
    void add(uint64_t n = 1) { value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed); }
    void subtract(uint64_t n = 1) { add(-n); }
    uint64_t get() const { return value_.load(std::memory_order_relaxed); }

private:
    std::atomic<uint64_t> value_{0};
};

// Of one service in one worker. Written by that worker alone, so no cache line is shared between cores.
struct alignas(64) Counters {
    Counter active;
    std::array<Counter, names_of<Path>.size()> accepted;
    std::array<Counter, names_of<Refusal>.size()> refused;
    Counter bytes_to_backends;
    Counter bytes_to_clients;
};

// Lets one report a second through and counts the others. Any thread.
class Throttle {
public:
    // The number of reports held back since the last one, if this one may be made.
    std::optional<uint64_t> admit(std::chrono::steady_clock::time_point now);

private:
    std::atomic<std::chrono::steady_clock::rep> next_{0};
    std::atomic<uint64_t> held_back_{0};
};

// One service across all workers; outlives every session of it, and reloads of the configuration.
class ServiceRecord {
public:
    using OnFailure = std::function<void(BackendFailure)>;
    ServiceRecord(std::string name, size_t workers, std::function<void(const Event&)> on_event, OnFailure on_failure);

    const std::string& name() const { return name_; }
    Counters& of_worker(size_t worker) { return counters_[worker]; }
    ServiceStats total() const;

    // Tells that something was refused and why, at most once a second for each reason. `message` makes the text and is
    // called only if it will be read. Where there is no memory for it, nothing is told. Any thread.
    template <class Message>
    void report(Refusal refusal, Message message) {
        const auto held_back = throttles_[static_cast<size_t>(refusal)].admit(std::chrono::steady_clock::now());
        if (!held_back) return;
        try {
            tell(message(), *held_back);
        } catch (const std::bad_alloc&) {
        }
    }

    // Tells that one of the service's limits is reached, once as that begins.
    void report(Limit limit, uint32_t most, const Ip& client);

    FlowLimits limits;

    // What is known of these backends. The engine's thread.
    std::shared_ptr<const BackendRecords> backends_of(const Service& service);
    // It has them from now on: those that only now take new flows join(). The engine's thread, which holds what
    // backends_of() has given.
    void serve(const Service& service);
    // As many clients in a row have failed there as `passive` says. Any thread.
    void tell_failure(const EndpointRange& backend, std::string_view reason) const;

    std::atomic<uint32_t> sessions{0};  // UDP sessions alive in all workers, against Service::max_sessions

    // Of so many slots, of which there may be none, the one of this client's next connection or session. Any thread.
    size_t slot(Balance balance, size_t slots, const Ip& client);

private:
    void tell(const std::string& message, uint64_t held_back) const;
    uint64_t join_at(const Service& service, const Backend& newcomer, Clock::time_point now) const;

    std::string name_;
    std::atomic<uint32_t> turn_{0};  // of round robin: the slot after the one that was given last
    std::vector<Counters> counters_;
    std::array<Throttle, names_of<Refusal>.size()> throttles_;
    std::array<Episode, all_limits.size()> episodes_;
    std::function<void(const Event&)> on_event_;
    OnFailure on_failure_;

    // The engine's thread's.
    std::map<EndpointRange, std::shared_ptr<BackendRecord>> backends_;  // that it has, or where something lives
    std::set<EndpointRange> taking_;                                    // of those, which take new flows
};

}  // namespace hairpin::proxy
