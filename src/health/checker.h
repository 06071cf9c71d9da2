// Checks backends, each at its interval, and knows which are down.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/names.h"
#include "health/probe.h"
#include "health/schedule.h"
#include "health/standing.h"

namespace hairpin::health {

// What is known of a backend.
struct Status {
    Standing standing;
    std::string reason;                                 // why the last check has not passed; empty: it has
    std::chrono::steady_clock::time_point since;        // when it went up or down, or was first to be checked
    std::optional<std::chrono::nanoseconds> took = {};  // by the last check that said something
};

// Who found out that a backend went up or down.
enum class Witness : uint8_t {
    check,
    clients,  // so many of them failed there as `passive` says
    time,     // it was held down for as long as `passive` says
};

// A backend that went up or down.
struct Change {
    std::string service;
    EndpointRange backend;
    Status status;
    Witness by = Witness::check;
};

}  // namespace hairpin::health

namespace hairpin {
template <>
inline constexpr auto names_of<health::Witness> = std::to_array<std::string_view>({"check", "clients", "time"});
}  // namespace hairpin

namespace hairpin::health {

// Has one thread, which runs all checks in one loop and never waits for one of them. Everything here may be called from
// any other thread.
class Checker {
public:
    // `on_change` is called on the checker's thread when there is a change to take; it must not wait.
    static Result<std::unique_ptr<Checker>> start(std::function<void()> on_change, uint32_t seed);
    ~Checker();  // ends all checks
    Checker(const Checker&) = delete;
    Checker& operator=(const Checker&) = delete;

    // From where a backend is asked; nothing: from wherever the route says.
    using OriginOf = std::function<std::optional<CheckOrigin>(const Service& service, const Backend& backend)>;
    static std::optional<CheckOrigin> anywhere(const Service& /*service*/, const Backend& /*backend*/) { return {}; }

    // Checks the backends of these services from now on, and no others. What is known of a backend stays where its
    // service has the same name and the same check, wherever that comes from.
    void watch(std::span<const Service> services, const OriginOf& origin_of = anywhere);

    // Nothing: it is not checked, or not in this way.
    std::optional<Status> status(const Service& service, const Backend& backend) const;

    // Clients have failed at a backend as often as its `passive` says: it goes down for that time, or until its checks
    // pass. Nothing where it is down, or not watched so.
    void fail(const std::string& service, const EndpointRange& backend, const std::string& reason);

    std::vector<Change> take_changes();  // since the last call, in their order

private:
    class Loop;
    struct Entry {
        Target target;
        Status status;
        // When it is up again: clients have failed there, and no check has since.
        std::optional<std::chrono::steady_clock::time_point> back = {};
    };
    using Key = std::pair<std::string, EndpointRange>;  // service, backend

    Checker(std::function<void()> on_change) : on_change_(std::move(on_change)) {}
    std::optional<Target> target(uint64_t number) const;
    void record(uint64_t number, const Outcome& outcome, std::chrono::nanoseconds took);
    void bring_back(uint64_t number, std::chrono::steady_clock::time_point now);

    const std::function<void()> on_change_;
    Fd wake_;  // readable: there is something for the loop

    mutable std::mutex mutex_;                     // guards what follows
    std::unordered_map<uint64_t, Entry> entries_;  // by the number of the check
    std::map<Key, uint64_t> numbers_;
    uint64_t next_number_ = 1;
    std::vector<uint64_t> fresh_;   // checks that the loop has not seen
    std::vector<uint64_t> failed_;  // likewise of backends at which clients have failed
    std::vector<Change> changes_;
    bool stop_ = false;

    std::thread thread_;
};

}  // namespace hairpin::health
