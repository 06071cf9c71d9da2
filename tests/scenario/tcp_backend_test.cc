// Backends that refuse, ignore or share the work: a client gets an answer from one that lives, or a reset, and never
// waits for nothing.
//
//                   ╭─ gateway ──────╮              ╭─ server1 10.0.0.2:12345
//   client ─────────┤ 1.0.0.1:1234   ├── switch ────┼─ server2 10.0.0.3:12345
//   1.0.0.100       ╰────────────────╯              ╰─ server3 10.0.0.4:12345
//
// Only the proxy engine knows whether a backend has accepted; these are its own promises.
#include <gtest/gtest.h>

#include <array>

#include "support/tcp.h"

namespace hairpin {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr std::string_view yaml = R"(
services:
  srv:
    listen: 1.0.0.1:1234
    backends: [10.0.0.2:12345, 10.0.0.3:12345, 10.0.0.4:12345]
    connect_timeout: 1s
)";
constexpr auto connect_timeout = 1s;
const Endpoint external = *Endpoint::parse("1.0.0.1:1234");
constexpr std::array hosts = {"server1", "server2", "server3"};
constexpr std::array addresses = {"10.0.0.2:12345", "10.0.0.3:12345", "10.0.0.4:12345"};

class TcpBackend : public testing::Test {
protected:
    void SetUp() override { ASSERT_TRUE(lab_); }

    void start(size_t server, int backlog = 4096) {
        servers_[server] = listen_on(host(server), *Endpoint::parse(addresses[server]), backlog);
    }
    // Its queue is full: its kernel drops every SYN.
    void start_deaf(size_t server) {
        start(server, 0);
        fillers_.push_back(dial(host(server), *Endpoint::parse(addresses[server])));
        ASSERT_TRUE(fillers_.back());
    }
    Meeting meet_any(const std::vector<size_t>& servers) const {
        std::vector<const Fd*> listeners;
        for (const size_t server : servers) listeners.push_back(&servers_[server]);
        return meet(lab_->host("client"), external, listeners);
    }
    const lab::Host& host(size_t server) const { return lab_->host(hosts[server]); }
    uint64_t refused() const { return lab_.stats("srv").refused_for(Refusal::backend); }

    const TestLab lab_{yaml, "proxy", TestLab::Backends::none};
    std::array<Fd, 3> servers_;
    std::vector<Fd> fillers_;
};

TEST_F(TcpBackend, TakeTurnsExactly) {
    for (const size_t server : {0, 1, 2}) start(server);
    std::vector<Fd> clients;
    for (int i = 0; i < 300; ++i) clients.push_back(dial(lab_->host("client"), external));
    for (const Fd& server : servers_) {
        for (int i = 0; i < 100; ++i) ASSERT_TRUE(accept_from(server)) << i;
        EXPECT_FALSE(is_readable(server, 0ms));
    }
}

TEST_F(TcpBackend, OneThatRefusesIsReplacedUnnoticed) {
    start(2);
    for (int i = 0; i < 30; ++i) {
        const Meeting meeting = meet_any({2});
        ASSERT_TRUE(meeting.conversation) << i << ": " << strerror(meeting.refused_with);
        EXPECT_TRUE(meeting.conversation->alive());
    }
    EXPECT_EQ(refused(), 0);
    EXPECT_TRUE(lab_.logs("backend 10.0.0.2:12345: Connection refused"));
}

TEST_F(TcpBackend, AllThatRefuseAreAResetAtOnce) {
    const auto began = steady_clock::now();
    for (int i = 0; i < 10; ++i) {
        EXPECT_EQ(meet_any({}).refused_with, ECONNRESET);
    }
    EXPECT_LT(steady_clock::now() - began, 10 * connect_timeout) << "they did not wait for it";
    EXPECT_EQ(refused(), 10);
    EXPECT_EQ(lab_.stats("srv").accepted, ServiceStats{}.accepted);
    start(1);
    EXPECT_TRUE(meet_any({1}).conversation) << "none is remembered as dead";
}

TEST_F(TcpBackend, OneThatIsSilentIsReplacedAfterTheTimeout) {
    start_deaf(0);
    start_deaf(1);
    start(2);
    // Whoever's turn it is: none, one or both of the silent ones come first.
    for (int i = 0; i < 3; ++i) {
        const Meeting meeting = meet_any({2});
        ASSERT_TRUE(meeting.conversation) << strerror(meeting.refused_with);
        EXPECT_TRUE(meeting.conversation->alive());
    }
    EXPECT_EQ(refused(), 0);
    EXPECT_TRUE(lab_.logs("did not answer within 1000 ms"));
}

TEST_F(TcpBackend, AllThatAreSilentAreAResetAfterTheirTimeouts) {
    for (const size_t server : {0, 1, 2}) start_deaf(server);
    const auto began = steady_clock::now();
    EXPECT_EQ(meet_any({}).refused_with, ECONNRESET);
    EXPECT_GE(steady_clock::now() - began, 3 * connect_timeout);
    EXPECT_EQ(refused(), 1);
}

TEST_F(TcpBackend, OneWhoseHostIsGoneIsReplaced) {
    start(0);
    start(1);
    cut(host(0), "eth0");
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(meet_any({1}).conversation);
    EXPECT_EQ(refused(), 0);
}

TEST_F(TcpBackend, ANetworkThatIsGoneIsAReset) {
    start(0);
    cut(lab_->host("gateway"), lab::inside.name);
    const auto began = steady_clock::now();
    EXPECT_EQ(meet_any({0}).refused_with, ECONNRESET);
    EXPECT_LT(steady_clock::now() - began, 3 * connect_timeout) << "the kernel knows that there is no route";
    EXPECT_EQ(refused(), 1);
}

// The bytes that a client sends while backends are tried belong to the one that accepts.
TEST_F(TcpBackend, TheOneThatAcceptsGetsAllThatWasSentMeanwhile) {
    start_deaf(0);
    start_deaf(1);
    start(2);
    const std::string bytes = noise(50'000);
    for (int i = 0; i < 3; ++i) {
        const Fd client = dial(lab_->host("client"), external);
        ASSERT_TRUE(send_all(client, bytes));
        finish(client);
        const Ending ending = receive_to_end(accept_from(servers_[2]));
        EXPECT_EQ(ending.error, 0);
        EXPECT_TRUE(ending.bytes == bytes);
    }
}

}  // namespace
}  // namespace hairpin
