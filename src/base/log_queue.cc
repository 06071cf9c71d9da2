#include "base/log_queue.h"

#include <pthread.h>

#include <chrono>
#include <csignal>
#include <exception>
#include <system_error>
#include <thread>
#include <utility>

namespace hairpin {

using namespace std::chrono_literals;

Result<std::shared_ptr<LogQueue>> LogQueue::start(std::shared_ptr<spdlog::sinks::sink> behind) {
    std::shared_ptr<LogQueue> queue(new LogQueue(std::move(behind)));
    try {
        std::thread([queue] { queue->run(); }).detach();
    } catch (const std::system_error& failure) {
        return system_error("starting the thread that writes the log", failure.code().value());
    }
    return queue;
}

void LogQueue::log(const spdlog::details::log_msg& line) {
    const std::lock_guard lock(mutex_);
    if (lines_.size() == most) {
        lines_.pop_front();
        ++lost_;
    }
    lines_.emplace_back(line);
    changed_.notify_all();
}

bool LogQueue::wait_until_written() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 3s, [&] { return lines_.empty() && !writing_; });
}

void LogQueue::run() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, nullptr);  // signals are the daemon's
    pthread_setname_np(pthread_self(), "log");

    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [&] { return !lines_.empty(); });
        const auto line = std::move(lines_.front());
        lines_.pop_front();
        const uint64_t lost = std::exchange(lost_, 0);
        writing_ = true;
        lock.unlock();
        write(line, lost);
        lock.lock();
        writing_ = false;
        changed_.notify_all();
    }
}

void LogQueue::write(const spdlog::details::log_msg& line, uint64_t lost) {
    try {
        if (lost > 0) {
            const std::string text = std::to_string(lost) + " lines of this log are missing: stderr took no more";
            behind_->log({line.time, {}, {}, spdlog::level::warn, text});
        }
        behind_->log(line);
    } catch (const std::exception&) {
        // No memory, or stderr is gone: there is nobody to tell.
    }
}

}  // namespace hairpin
