// Keeps lines of the log for a thread that writes them, so that whoever logs never waits for the reader of stderr.
#pragma once

#include <spdlog/details/log_msg_buffer.h>
#include <spdlog/sinks/sink.h>

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>

#include "base/result.h"

namespace hairpin {

// A sink in front of another one. Where that one stalls, the newest lines are kept, and it is told of the others how
// many they were. Any thread.
class LogQueue : public spdlog::sinks::sink {
public:
    static constexpr size_t most = 8192;  // lines

    // Starts the thread, which alone uses `behind` from now on. Both last as long as the process: a thread in the midst
    // of a write that does not end can be neither woken nor joined.
    static Result<std::shared_ptr<LogQueue>> start(std::shared_ptr<spdlog::sinks::sink> behind);

    void log(const spdlog::details::log_msg& line) override;
    bool wait_until_written();  // all of them; false if that takes more than a few seconds

    void flush() override {}
    void set_pattern(const std::string&) override {}  // the sink behind keeps its own
    void set_formatter(std::unique_ptr<spdlog::formatter>) override {}

private:
    explicit LogQueue(std::shared_ptr<spdlog::sinks::sink> behind) : behind_(std::move(behind)) {}
    void run();
    void write(const spdlog::details::log_msg& line, uint64_t lost);

    const std::shared_ptr<spdlog::sinks::sink> behind_;
    std::mutex mutex_;  // guards what follows; never held while a line is written
    std::condition_variable changed_;
    std::deque<spdlog::details::log_msg_buffer> lines_;
    uint64_t lost_ = 0;
    bool writing_ = false;
};

}  // namespace hairpin
