// Endings and changes while traffic flows: SIGTERM lets transfers finish, a reload loses nothing of what stays.
//
//               ╭─ gateway ──────╮
//   client ─────┤ 1.0.0.1:1234   ├── switch ── server1 10.0.0.2:12345
//               │ 1.0.0.1:1235   │              (the same one)
//               ╰────────────────╯
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <atomic>
#include <csignal>
#include <future>

#include "net/sockaddr.h"
#include "support/tcp.h"

namespace hairpin {
namespace {

using namespace std::chrono_literals;

const Endpoint external = *Endpoint::parse("1.0.0.1:1234");
const Endpoint second = *Endpoint::parse("1.0.0.1:1235");
const Endpoint internal = *Endpoint::parse("10.0.0.2:12345");

const std::string one = "  one: {listen: 1.0.0.1:1234, backends: 10.0.0.2:12345}\n";
const std::string two = one + "  two: {listen: 1.0.0.1:1235, backends: 10.0.0.2:12345}\n";

class TcpDrain : public testing::TestWithParam<std::string> {
protected:
    void start(const std::string& drain_timeout, const std::string& services = one) {
        drain_timeout_ = "drain_timeout: " + drain_timeout + "\n";
        lab_.emplace(yaml(services), GetParam(), TestLab::Backends::none);
        ASSERT_TRUE(*lab_);
        server_ = listen_on(lab()->host("server1"), internal);
    }
    std::string yaml(const std::string& services) const { return drain_timeout_ + "services:\n" + services; }
    const TestLab& lab() const { return *lab_; }

    Conversation converse(const Endpoint& to = external) const {
        Meeting meeting = meet(lab()->host("client"), to, {&server_});
        EXPECT_TRUE(meeting.conversation) << strerror(meeting.refused_with);
        return meeting.conversation ? *std::move(meeting.conversation) : Conversation{};
    }
    int refusal_at(const Endpoint& to) const {
        errno = 0;
        const Fd client = dial(lab()->host("client"), to);
        return client ? 0 : errno;
    }
    void terminate() const {
        lab()->daemon().signal(SIGTERM);
        ASSERT_TRUE(lab()->daemon().wait_for_output("SIGTERM: no new connections", patience)) << lab()->daemon_log();
    }
    void expect_exit(int expected) const {
        const auto status = lab()->daemon().wait(patience);
        ASSERT_TRUE(status) << "still running\n" << lab()->daemon_log();
        EXPECT_TRUE(WIFEXITED(*status) && WEXITSTATUS(*status) == expected) << lab()->daemon_log();
    }

    // A proxy resets both ends. Where packets were translated, either is reset when it next says something.
    static void expect_cut(const Conversation& made) {
        for (const Fd* end : {&made.client, &made.backend}) {
            if (GetParam() != "proxy") send_all(*end, "anybody there?");
            EXPECT_EQ(receive_to_end(*end).error, ECONNRESET);
        }
    }

    Fd server_;

private:
    std::string drain_timeout_;
    std::optional<TestLab> lab_;
};

TEST_P(TcpDrain, ATransferFinishesWholeAfterSigterm) {
    start("1h");
    const std::string bytes = noise(20'000'000);
    const Conversation made = converse();
    auto sent = std::async(std::launch::async, [&] {
        const bool all = send_all(made.backend, bytes);
        finish(made.backend);
        return all;
    });
    ASSERT_TRUE(is_readable(made.client, patience));  // under way, and held back
    terminate();
    EXPECT_EQ(refusal_at(external), ECONNREFUSED);
    const Ending ending = receive_to_end(made.client);
    EXPECT_TRUE(ending.bytes == bytes) << ending.bytes.size();
    EXPECT_EQ(ending.error, 0);
    EXPECT_TRUE(sent.get());
    ASSERT_TRUE(send_all(made.client, "thanks"));
    EXPECT_EQ(receive(made.backend, 6), "thanks");
    finish(made.client);
    expect_exit(0);
    EXPECT_TRUE(lab().logs("stopped: 1 finished, 0 cut"));
}

// Half of an answer must not look like all of it.
TEST_P(TcpDrain, WhatOutlivesTheTimeoutIsReset) {
    start("200ms");
    const Conversation made = converse();
    ASSERT_TRUE(made.alive());
    terminate();
    expect_exit(0);
    expect_cut(made);
}

TEST_P(TcpDrain, ASecondSigtermEndsAtOnce) {
    start("1h");
    const Conversation made = converse();
    ASSERT_TRUE(made.alive());
    terminate();
    lab()->daemon().signal(SIGTERM);
    expect_exit(0);
    expect_cut(made);
}

TEST_P(TcpDrain, EndsAtOnceWhenNothingLives) {
    start("1h");
    { const Conversation made = converse(); }
    EXPECT_TRUE(wait_for([&] { return lab().stats("one").active == 0; }));
    lab()->daemon().signal(SIGTERM);
    expect_exit(0);
}

TEST_P(TcpDrain, AReloadKeepsTheConnectionsOfAServiceThatGoes) {
    start("1h", two);
    const Conversation kept = converse(external);
    const Conversation gone = converse(second);
    ASSERT_TRUE(lab().reload(yaml(one)));
    EXPECT_EQ(refusal_at(second), ECONNREFUSED);
    EXPECT_TRUE(kept.alive());
    EXPECT_TRUE(gone.alive());
    EXPECT_EQ(lab().stats("two").active, 1) << "it still counts";
    ASSERT_TRUE(lab().reload(yaml(two)));
    EXPECT_TRUE(gone.alive());
    EXPECT_TRUE(converse(second).alive());
}

TEST_P(TcpDrain, SigtermWaitsForTheConnectionOfAServiceThatWentSeveralReloadsAgo) {
    start("30s", two);
    const Conversation made = converse(second);
    ASSERT_TRUE(lab().reload(yaml(one)));
    for (const char* port : {"1236", "1237", "1236"}) {
        ASSERT_TRUE(
            lab().reload(yaml(one + "  other: {listen: \"1.0.0.1:" + port + "\", backends: \"10.0.0.2:12345\"}\n")));
    }
    EXPECT_EQ(lab().stats("two").active, 1u);
    terminate();
    EXPECT_TRUE(lab().logs("1 live one may finish"));
    EXPECT_TRUE(made.alive());
    finish(made.client);
    finish(made.backend);
    expect_exit(0);
}

TEST_P(TcpDrain, AReloadChangesTheBackendOfNewConnectionsOnly) {
    start("1h");
    const Conversation old = converse();
    const Fd other = listen_on(lab()->host("server1"), *Endpoint::parse("10.0.0.2:12346"));
    ASSERT_TRUE(lab().reload(yaml("  one: {listen: 1.0.0.1:1234, backends: 10.0.0.2:12346}\n")));
    const Meeting fresh = meet(lab()->host("client"), external, {&other});
    ASSERT_TRUE(fresh.conversation);
    EXPECT_TRUE(fresh.conversation->alive());
    EXPECT_TRUE(old.alive());
}

TEST_P(TcpDrain, AReloadMayWidenAnEndpointToAllAddressesAndBack) {
    start("1h");
    const Conversation old = converse();
    for (const std::string listen : {"0.0.0.0:1234", "1.0.0.1:1234"}) {
        ASSERT_TRUE(lab().reload(yaml("  one: {listen: '" + listen + "', backends: 10.0.0.2:12345}\n"))) << listen;
        EXPECT_TRUE(converse(external).alive()) << listen;
    }
    EXPECT_TRUE(old.alive());
}

// The gateway calls its backends from ports of its own; a range may be published over them all the same.
TEST_P(TcpDrain, AReloadMayPublishThePortThatAConnectionIsCarriedFrom) {
    start("1h");
    const Conversation old = converse();
    SockAddr seen;
    socklen_t size = SockAddr::capacity();
    ASSERT_EQ(getpeername(old.backend.get(), seen.get(), &size), 0);
    const std::string port = std::to_string(seen.endpoint().port);
    ASSERT_TRUE(
        lab().reload(yaml(std::string(one) + "  late: {listen: 1.0.0.1:" + port + ", backends: 10.0.0.2:12345}\n")));
    EXPECT_TRUE(converse({external.ip, seen.endpoint().port}).alive());
    EXPECT_TRUE(old.alive());
}

TEST_P(TcpDrain, ReloadsLoseNoConnectionOfAServiceThatStays) {
    start("1h", two);
    const Conversation old = converse();
    std::atomic<bool> stop = false;
    std::atomic<int> served = 0;
    auto storm = std::async(std::launch::async, [&] {
        for (; !stop; ++served) {
            const Meeting meeting = meet(lab()->host("client"), external, {&server_});
            if (!meeting.conversation || !meeting.conversation->alive()) return false;
        }
        return true;
    });
    for (int i = 0; i < 10; ++i) {
        const int before = served;
        EXPECT_TRUE(lab().reload(yaml(i % 2 == 0 ? one : two)));
        EXPECT_TRUE(wait_for([&] { return served > before; })) << "one was lost after " << before;
    }
    stop = true;
    EXPECT_TRUE(storm.get()) << "one was lost after " << served;
    EXPECT_TRUE(old.alive());
}

INSTANTIATE_TEST_SUITE_P(Every, TcpDrain, testing::ValuesIn(engine_names()));

}  // namespace
}  // namespace hairpin
