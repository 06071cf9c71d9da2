// Asks DNS for the names of backends, again as soon as an answer runs out, and knows the last good ones.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "discovery/known.h"

namespace hairpin::discovery {

// Has one thread, which asks for all names in one loop. Everything here may be called from any other thread.
class Resolver {
public:
    // `on_change` is called on the resolver's thread when something else is known of a name; it must not wait.
    static Result<std::unique_ptr<Resolver>> start(std::function<void()> on_change);
    ~Resolver();  // asks no more
    Resolver(const Resolver&) = delete;
    Resolver& operator=(const Resolver&) = delete;

    // Asks these from now on, and no others; what is known of those that stay is kept. `servers`: who is asked; empty:
    // those of /etc/resolv.conf, whose changes are followed.
    void watch(const std::set<Question>& questions, std::vector<Endpoint> servers);

    // Returns once each has been asked, or the time is over.
    void wait_until_asked(std::chrono::milliseconds patience) const;

    std::map<Question, Known> known() const;

private:
    class Loop;

    explicit Resolver(std::function<void()> on_change) : on_change_(std::move(on_change)) {}
    bool is_watched(const Question& question) const;
    Known record(const Question& question, Reply reply);

    const std::function<void()> on_change_;
    Fd wake_;  // readable: there is something for the loop

    mutable std::mutex mutex_;  // guards what follows
    mutable std::condition_variable was_asked_;
    std::map<Question, Known> known_;
    std::vector<Question> fresh_;  // questions that the loop has not seen
    std::vector<Endpoint> servers_;
    bool other_servers_ = true;  // than those that the loop asks
    bool stop_ = false;

    std::thread thread_;
};

}  // namespace hairpin::discovery
