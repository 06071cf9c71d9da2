// The life of `run` where something fails that a test cannot bring about from outside.
#include "daemon/daemon.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "support/test_lab.h"

namespace hairpin {
namespace {

// run_daemon() in a process of its own, with what it logs.
class Running {
public:
    explicit Running(const DaemonOptions& options) {
        std::array<int, 2> ends{};
        EXPECT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
        log_ = Fd(ends[0]);
        const Fd theirs(ends[1]);
        pid_ = fork();
        if (pid_ == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            dup2(theirs.get(), STDERR_FILENO);
            _exit(run_daemon(options));
        }
    }
    ~Running() {
        if (pid_ <= 0) return;
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
    }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;

    void signal(int number) const { kill(pid_, number); }

    // Reads on until it has said so; false if it has ended, or says nothing for long.
    bool logs(std::string_view words) {
        pollfd readable{log_.get(), POLLIN, 0};
        while (said_.find(words) == said_.npos) {
            std::array<char, 4096> piece{};
            if (poll(&readable, 1, static_cast<int>(patience.count())) != 1) return false;
            const ssize_t size = read(log_.get(), piece.data(), piece.size());
            if (size <= 0) return false;
            said_.append(piece.data(), static_cast<size_t>(size));
        }
        return true;
    }
    const std::string& said() const { return said_; }

    // The exit status, or -1 if it did not exit.
    int wait() {
        int status = 0;
        waitpid(std::exchange(pid_, -1), &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }

private:
    Fd log_;
    pid_t pid_ = -1;
    std::string said_;
};

// An address of this machine where no other run of this test serves.
std::string own_address() {
    const pid_t pid = getpid();
    return fmt::format("127.{}.{}.{}", 1 + pid / 65536 % 200, pid / 256 % 256, pid % 256);
}

// All connections were lost to a reload that found no memory.
TEST(Daemon, GoesOnAsItWasWhereAReloadFindsNoMemory) {
    const std::vector<std::string> rules = {own_address() + ":21234=127.0.0.1:9"};
    int loads = 0;
    Running daemon({.load = [&] {
        if (loads++ > 0) throw std::bad_alloc();
        Config config = parse_rules(rules);
        config.settings.api.socket = "";
        return config;
    }});
    ASSERT_TRUE(daemon.logs("ready: ")) << daemon.said();
    daemon.signal(SIGHUP);
    EXPECT_TRUE(daemon.logs("reload refused: out of memory")) << daemon.said();
    EXPECT_TRUE(daemon.logs("reload refused: out of memory; still serving 1 service on 1 endpoint")) << daemon.said();
    daemon.signal(SIGTERM);
    ASSERT_TRUE(daemon.logs("stopped: ")) << daemon.said();
    EXPECT_EQ(daemon.wait(), 0);
}

}  // namespace
}  // namespace hairpin
