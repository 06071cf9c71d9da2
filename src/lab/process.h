// A program that runs on a host of the lab, with its output kept; it dies with this process.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "lab/host.h"

namespace hairpin::lab {

class Process {
public:
    // Runs argv[0] (found through PATH) with its standard output and error joined. The kernel kills it when the calling
    // thread ends: start it from one that lasts.
    static Result<std::unique_ptr<Process>> start(const Host& host, const std::vector<std::string>& argv);
    ~Process();  // kills it

    // Until the output contains `text`. False: it ended without, or the time is up.
    bool wait_for_output(std::string_view text, std::chrono::milliseconds timeout) const;
    std::string output() const;  // all that it has written so far

    void signal(int number) const;
    // Until it has ended. The wait status as of waitpid(2); nothing: the time is up.
    std::optional<int> wait(std::chrono::milliseconds timeout);
    pid_t pid() const { return pid_; }

private:
    Process() = default;
    void read_output();
    void take_output() const;  // with mutex_ held: what waits in the pipe

    pid_t pid_ = -1;
    Fd pidfd_;
    Fd pipe_;                    // where it writes to; does not block
    Fd stop_;                    // readable: the reader shall end
    std::optional<int> status_;  // once waited for
    mutable std::mutex mutex_;   // guards the next two, and what is taken from the pipe
    mutable std::string output_;
    mutable bool ended_ = false;
    mutable std::condition_variable changed_;
    std::thread reader_;
};

// Runs argv on a host with the terminal and everything else of this process; returns when it ends, however it ends.
// Signals from the terminal are for the program meanwhile.
Result<> run_interactive(const Host& host, const std::vector<std::string>& argv);

}  // namespace hairpin::lab
