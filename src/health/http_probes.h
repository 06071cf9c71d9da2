// HTTP and HTTPS: the border to libcurl.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "health/probe.h"

namespace hairpin::health {

// All of these checks, each known by a number. One thread, which watches their sockets for it; blocks nowhere.
class HttpProbes {
public:
    using Clock = std::chrono::steady_clock;

    // Watches an epoll instance that the caller waits on: events of the sockets have `mark | descriptor` as their data.
    HttpProbes(int epoll, uint64_t mark);
    ~HttpProbes();  // ends all
    HttpProbes(const HttpProbes&) = delete;
    HttpProbes& operator=(const HttpProbes&) = delete;

    bool begin(uint64_t number, const Target& target);  // false: there is no memory for it
    bool has_met(uint64_t number) const;                // whether its backend has accepted the connection
    void end(uint64_t number);                          // whatever becomes of it; a number that has ended is no error

    void on_event(int fd, uint32_t events);
    std::optional<Clock::time_point> wakes_at() const { return wakes_at_; }
    void wake();  // when that time has come

    // Those that have ended since the last call.
    std::vector<std::pair<uint64_t, Outcome>> take_outcomes();

private:
    struct Request;
    struct Callbacks;
    void collect();

    const int epoll_;
    const uint64_t mark_;
    void* multi_;  // CURLM
    std::map<uint64_t, std::unique_ptr<Request>> requests_;
    std::optional<Clock::time_point> wakes_at_;
    std::vector<std::pair<uint64_t, Outcome>> outcomes_;
};

}  // namespace hairpin::health
