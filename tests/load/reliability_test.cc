// What clients notice when a host of backends dies, when the daemon is killed, and when both happen at once. The
// figures of docs/reliability.md are these.
//
//   client ──── gateway 1.0.0.1:1044 ──┬── server1 10.0.0.2:2044  whose link goes down
//   peer ─────╯  hairpinned            ╰── server2 10.0.0.3:2044
//
// HAIRPIN names the program. The lines that begin with "load:" are the results.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdio>
#include <future>
#include <optional>
#include <thread>

#include "net/sockaddr.h"
#include "support/churn.h"
#include "support/echo_server.h"
#include "support/program.h"
#include "support/tcp.h"
#include "support/test_lab.h"
#include "support/udp.h"

namespace hairpin {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr std::string_view yaml = R"(
services:
  echo:
    listen: 1.0.0.1:1044
    backends: [10.0.0.2:2044, 10.0.0.3:2044]
    connect_timeout: 200ms
    health: {interval: 200ms, timeout: 150ms, fall: 2, rise: 2}
)";
constexpr milliseconds noticed_after = 2 * 200ms + 150ms;  // fall x interval, and the last check's timeout
constexpr milliseconds started_again_after = 2s;           // RestartSec= of packaging/hairpin.service
constexpr milliseconds clients_patience = 1s;
constexpr milliseconds slack = 1s;  // for a busy machine, and for the engine to be told

struct Attempt {
    Clock::time_point began;
    Clock::duration took;
    bool answered;
};

int64_t milliseconds_after(Clock::time_point begin, Clock::time_point end) {
    return std::chrono::duration_cast<milliseconds>(end - begin).count();
}

bool ask(const SockAddr& to) {
    const Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const timeval limit{.tv_sec = clients_patience.count() / 1000, .tv_usec = 0};
    for (const int option : {SO_SNDTIMEO, SO_RCVTIMEO}) {
        setsockopt(fd.get(), SOL_SOCKET, option, &limit, sizeof limit);
    }
    return connect(fd.get(), to.get(), to.size()) == 0 && send_all(fd, "hello") && receive(fd, 5) == "hello";
}

// One connection after the other, until it is told to stop.
class Client {
public:
    explicit Client(const lab::Host& host) : attempts_(std::async(std::launch::async, [&] { return loop(host); })) {}

    std::vector<Attempt> stop() {
        stopped_ = true;
        return attempts_.get();
    }

private:
    std::vector<Attempt> loop(const lab::Host& host) const {
        const SockAddr to(at("1.0.0.1:1044"));
        return host.run([&] {
            std::vector<Attempt> attempts;
            while (!stopped_) {
                const auto began = Clock::now();
                const bool answered = ask(to);
                attempts.push_back({began, Clock::now() - began, answered});
                std::this_thread::sleep_until(began + 1ms);  // the pace
            }
            return attempts;
        });
    }

    std::atomic<bool> stopped_ = false;
    std::future<std::vector<Attempt>> attempts_;  // last: its thread uses what stands above
};

class Reliability : public testing::TestWithParam<std::string> {
protected:
    static constexpr int clients_a_host = 4;

    void start() {
        if (!names_program_to_measure()) GTEST_SKIP() << "HAIRPIN names no program to measure; ./test load sees to it";
        lab_.emplace(yaml, GetParam(), TestLab::Backends::none);
        ASSERT_TRUE(*lab_);
        servers_.emplace_back(std::make_unique<EchoServer>(lab()->host("server1"), at("10.0.0.2:2044")));
        servers_.emplace_back(std::make_unique<EchoServer>(lab()->host("server2"), at("10.0.0.3:2044")));
        for (const char* host : {"client", "peer"}) {
            for (int i = 0; i < clients_a_host; ++i) clients_.push_back(std::make_unique<Client>(lab()->host(host)));
        }
        std::this_thread::sleep_for(1s);  // of load, before and after
    }
    const TestLab& lab() const { return *lab_; }

    void kill_host() const { (void)output_of(lab()->host("server1"), {"ip", "link", "set", "eth0", "down"}); }
    void kill_and_start_daemon() const {
        lab().kill_daemon();
        std::this_thread::sleep_for(started_again_after);
        lab().start_daemon();
    }

    // The load goes on for a while after `well_again`, and no connection that begins later may fail.
    void finish(const char* what, Clock::time_point fell, Clock::time_point well_again) {
        std::this_thread::sleep_until(well_again + 1s);
        size_t all = 0, failed = 0;
        Clock::duration longest{};
        for (const auto& client : clients_) {
            auto last_success = fell;
            for (const Attempt& attempt : client->stop()) {
                ++all;
                failed += !attempt.answered;
                EXPECT_TRUE(attempt.answered || attempt.began < well_again)
                    << what << ": " << milliseconds_after(fell, attempt.began) << " ms later\n"
                    << lab()->daemon_log();
                if (!attempt.answered || attempt.began + attempt.took < fell) continue;
                longest = std::max(longest, attempt.began + attempt.took - std::max(last_success, fell));
                last_success = attempt.began + attempt.took;
            }
        }
        std::printf("load: %s: %s: %zu of %zu connections failed, the longest stall of a client took %ld ms\n",
                    GetParam().c_str(), what, failed, all,
                    static_cast<long>(std::chrono::duration_cast<milliseconds>(longest).count()));
        EXPECT_GT(all, 1000u);
        failed_ = failed;
    }

    size_t failed_ = 0;

private:
    std::optional<TestLab> lab_;
    std::vector<std::unique_ptr<EchoServer>> servers_;
    std::vector<std::unique_ptr<Client>> clients_;
};

TEST_P(Reliability, AHostOfBackendsDies) {
    start();
    if (IsSkipped() || HasFatalFailure()) return;
    const auto fell = Clock::now();
    kill_host();
    finish("a host of backends dies", fell, fell + noticed_after + slack);
}

TEST_P(Reliability, TheDaemonIsKilled) {
    start();
    if (IsSkipped() || HasFatalFailure()) return;
    const auto fell = Clock::now();
    kill_and_start_daemon();
    finish("the daemon is killed", fell, Clock::now());
    if (GetParam() != "proxy") {
        EXPECT_EQ(failed_, 0u);
    }
}

TEST_P(Reliability, BothAtOnce) {
    start();
    if (IsSkipped() || HasFatalFailure()) return;
    const auto fell = Clock::now();
    kill_host();
    kill_and_start_daemon();
    finish("both at once", fell, Clock::now() + noticed_after + slack);
}

INSTANTIATE_TEST_SUITE_P(Every, Reliability, testing::ValuesIn(engine_names()),
                         [](const auto& engine) { return engine.param; });

}  // namespace
}  // namespace hairpin
