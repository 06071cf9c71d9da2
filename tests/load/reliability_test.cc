// What clients notice when a host of backends dies and comes back, when the daemon is killed, when both happen at once,
// and when an operator drains a backend. The figures of docs/reliability.md are these.
//
//   client ──── gateway 1.0.0.1:1044 ──┬── server1 10.0.0.2:2044  whose link goes down, or that is drained
//   peer ─────╯  hairpinned            ╰── server2 10.0.0.3:2044
//
// HAIRPIN names the program. The lines that begin with "load:" are the results.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <future>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>
#include <tuple>

#include "net/sockaddr.h"
#include "support/binary.h"
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
    protocol: both
    connect_timeout: 200ms
    health: {interval: 200ms, timeout: 150ms, fall: 2, rise: 2}
)";
constexpr milliseconds noticed_after = 2 * 200ms + 150ms;  // fall x interval, and the last check's timeout
constexpr milliseconds started_again_after = 2s;           // RestartSec= of packaging/hairpin.service
constexpr milliseconds clients_patience = 1s;
constexpr milliseconds slack = 1s;  // for a busy machine, and for the engine to be told

// Which backend has answered: each begins with its name.
constexpr char nobody = '\0';
constexpr char first = '1';
constexpr char second = '2';

struct Attempt {
    Clock::time_point began;
    Clock::duration took;
    char answered_by;

    bool answered() const { return answered_by != nobody; }
};
using Attempts = std::vector<Attempt>;

int64_t milliseconds_after(Clock::time_point begin, Clock::time_point end) {
    return std::chrono::duration_cast<milliseconds>(end - begin).count();
}

char ask(const SockAddr& to) {
    const Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const timeval limit{.tv_sec = clients_patience.count() / 1000, .tv_usec = 0};
    for (const int option : {SO_SNDTIMEO, SO_RCVTIMEO}) {
        setsockopt(fd.get(), SOL_SOCKET, option, &limit, sizeof limit);
    }
    if (connect(fd.get(), to.get(), to.size()) != 0 || !send_all(fd, "hello")) return nobody;
    const std::string answer = receive(fd, 6);
    return answer.ends_with("hello") ? answer.front() : nobody;
}

// One connection after the other, until it is told to stop.
class Client {
public:
    explicit Client(const lab::Host& host) : attempts_(std::async(std::launch::async, [&] { return loop(host); })) {}
    ~Client() { stopped_ = true; }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    // Waits until it has had some more answers.
    bool goes_on() const {
        return wait_for([this, enough = answers_ + 50] { return answers_ >= enough; });
    }
    Attempts stop() {
        stopped_ = true;
        return attempts_.get();
    }

private:
    Attempts loop(const lab::Host& host) {
        const SockAddr to(at("1.0.0.1:1044"));
        return host.run([&] {
            Attempts attempts;
            while (!stopped_) {
                const auto began = Clock::now();
                const char answered_by = ask(to);
                attempts.push_back({began, Clock::now() - began, answered_by});
                answers_ += answered_by != nobody;
                std::this_thread::sleep_until(began + 1ms);  // the pace
            }
            return attempts;
        });
    }

    std::atomic<bool> stopped_ = false;
    std::atomic<size_t> answers_ = 0;
    std::future<Attempts> attempts_;  // last: its thread uses what stands above
};

// Answers each datagram with its name.
class UdpServer {
public:
    UdpServer(const lab::Host& host, const Endpoint& endpoint, char name)
        : socket_(host, endpoint), thread_([this, name] {
              while (!stopped_) {
                  if (const auto asked = socket_.receive(10ms)) socket_.send(asked->from, std::string(1, name));
              }
          }) {}
    ~UdpServer() {
        stopped_ = true;
        thread_.join();
    }
    UdpServer(const UdpServer&) = delete;
    UdpServer& operator=(const UdpServer&) = delete;

private:
    const UdpSocket socket_;
    std::atomic<bool> stopped_ = false;
    std::thread thread_;
};

// Who answers a datagram of this client.
char ask(const UdpSocket& client) {
    client.send(at("1.0.0.1:1044"), "?");
    const auto answer = client.receive(clients_patience);
    return answer && !answer->payload.empty() ? answer->payload.front() : nobody;
}

// A client whose datagrams go to this backend.
std::unique_ptr<UdpSocket> client_of(char backend, const lab::Host& host, const Endpoint& own) {
    for (int i = 0; i < 10; ++i) {
        auto client = std::make_unique<UdpSocket>(host, own);
        if (ask(*client) == backend) return client;
    }
    ADD_FAILURE() << "no client is led to backend " << backend;
    return nullptr;
}

class Reliability : public testing::TestWithParam<std::string> {
protected:
    static constexpr size_t clients_a_host = 4;

    void start() {
        if (!names_program_to_measure()) GTEST_SKIP() << "HAIRPIN names no program to measure; ./test load sees to it";
        lab_.emplace(yaml, GetParam(), TestLab::Backends::none);
        ASSERT_TRUE(*lab_);
        for (const auto& [host, backend, name] :
             {std::tuple("server1", at("10.0.0.2:2044"), first), std::tuple("server2", at("10.0.0.3:2044"), second)}) {
            servers_.push_back(std::make_unique<EchoServer>(lab()->host(host), backend, std::string(1, name)));
            udp_servers_.push_back(std::make_unique<UdpServer>(lab()->host(host), backend, name));
        }
        for (const char* host : {"client", "peer"}) {
            for (size_t i = 0; i < clients_a_host; ++i) clients_.push_back(std::make_unique<Client>(lab()->host(host)));
        }
        std::this_thread::sleep_for(1s);  // of load, before and after
    }
    const TestLab& lab() const { return *lab_; }

    void kill_host() const { command(lab()->host("server1"), "ip link set eth0 down"); }
    void revive_host() const {  // its route went with the link
        command(lab()->host("server1"), "ip link set eth0 up && ip route add default via 10.0.0.1");
    }
    Outcome hairpin(std::vector<std::string> arguments) const {
        arguments.insert(arguments.begin(), hairpin_binary());
        arguments.insert(arguments.end(), {"--socket", lab().socket()});
        return outcome_of(lab()->host("gateway"), arguments);
    }
    // Waits until new flows are led to the first backend, or no more, because of its health.
    testing::AssertionResult comes_to_be(std::string_view state) const {
        const bool came = wait_for([&] {
            const auto told = nlohmann::json::parse(hairpin({"backends", "--json"}).output);
            return std::ranges::any_of(told.at("backends"), [&](const auto& backend) {
                return backend.at("backend") == "10.0.0.2:2044" && backend.at("state") == state &&
                       backend.at("serving") == (state == "up");
            });
        });
        return came ? testing::AssertionSuccess() : testing::AssertionFailure() << state << "\n" << lab()->daemon_log();
    }
    void expect_all_go_on() const {
        for (const auto& client : clients_) EXPECT_TRUE(client->goes_on()) << lab()->daemon_log();
    }
    // What became of all connections of a host's clients, once these have stopped.
    std::map<std::string, Attempts> stop() {
        std::map<std::string, Attempts> all;
        for (size_t i = 0; i < clients_.size(); ++i) {
            const Attempts attempts = clients_[i]->stop();
            Attempts& of_host = all[i < clients_a_host ? "client" : "peer"];
            of_host.insert(of_host.end(), attempts.begin(), attempts.end());
        }
        return all;
    }
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
                failed += !attempt.answered();
                EXPECT_TRUE(attempt.answered() || attempt.began < well_again)
                    << what << ": " << milliseconds_after(fell, attempt.began) << " ms later\n"
                    << lab()->daemon_log();
                if (!attempt.answered() || attempt.began + attempt.took < fell) continue;
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
    std::vector<std::unique_ptr<UdpServer>> udp_servers_;
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

// Of those that began within some time: how many which backend has answered.
std::map<char, size_t> answers(const Attempts& attempts, Clock::time_point begin, Clock::time_point end) {
    std::map<char, size_t> count;
    for (const Attempt& attempt : attempts) {
        if (attempt.began >= begin && attempt.began < end) ++count[attempt.answered_by];
    }
    return count;
}

TEST_P(Reliability, AHostOfBackendsDiesAndComesBack) {
    start();
    if (IsSkipped() || HasFatalFailure()) return;
    ASSERT_TRUE(comes_to_be("up"));
    const auto from_outside = client_of(first, lab()->host("client"), at("1.0.0.100"));
    const auto hairpinned = client_of(first, lab()->host("peer"), at("10.0.0.50"));
    ASSERT_TRUE(from_outside && hairpinned);

    kill_host();
    ASSERT_TRUE(comes_to_be("down"));
    const auto down = Clock::now();
    EXPECT_EQ(ask(*from_outside), second) << lab()->daemon_log();
    EXPECT_EQ(ask(*hairpinned), second) << lab()->daemon_log();
    expect_all_go_on();

    const auto back = Clock::now();
    revive_host();
    ASSERT_TRUE(comes_to_be("up"));
    const auto up = Clock::now();
    expect_all_go_on();
    for (auto& [host, attempts] : stop()) {
        SCOPED_TRACE(host);
        const auto without = answers(attempts, down, back);
        const auto with = answers(attempts, up, Clock::now());
        EXPECT_EQ(without.count(nobody) + without.count(first), 0u) << lab()->daemon_log();
        EXPECT_GT(without.count(second), 0u);
        EXPECT_EQ(with.count(nobody), 0u) << lab()->daemon_log();
        EXPECT_GT(with.count(first), 0u);
        EXPECT_GT(with.count(second), 0u);
    }
}

// "12 ms for 1000 ms", and so on: when those began that nobody has answered, and how long they took.
std::string failures(const Attempts& attempts, Clock::time_point since) {
    std::string text;
    for (const Attempt& attempt : attempts) {
        if (attempt.answered()) continue;
        text += fmt::format("{} ms for {} ms\n", milliseconds_after(since, attempt.began),
                            std::chrono::duration_cast<milliseconds>(attempt.took).count());
    }
    return text;
}

TEST_P(Reliability, ABackendIsDrained) {
    start();
    if (IsSkipped() || HasFatalFailure()) return;
    expect_all_go_on();
    const auto asked = Clock::now();
    ASSERT_EQ(hairpin({"drain", "10.0.0.2:2044"}).status, 0) << lab()->daemon_log();
    const auto drained = Clock::now();
    expect_all_go_on();
    const auto over = Clock::now();
    ASSERT_EQ(hairpin({"undrain", "10.0.0.2:2044"}).status, 0) << lab()->daemon_log();
    const auto undrained = Clock::now();
    expect_all_go_on();
    for (auto& [host, attempts] : stop()) {
        SCOPED_TRACE(host);
        EXPECT_EQ(failures(attempts, asked), "") << lab()->daemon_log();
        EXPECT_GT(answers(attempts, {}, asked).count(first), 0u);
        const auto without = answers(attempts, drained, over);
        EXPECT_EQ(without.count(first), 0u) << "begun after the order had returned";
        EXPECT_GT(without.count(second), 0u);
        EXPECT_GT(answers(attempts, undrained, Clock::now()).count(first), 0u);
    }
}

INSTANTIATE_TEST_SUITE_P(Every, Reliability, testing::ValuesIn(engine_names()),
                         [](const auto& engine) { return engine.param; });

}  // namespace
}  // namespace hairpin
