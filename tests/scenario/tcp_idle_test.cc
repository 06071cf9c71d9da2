// A TCP connection without a byte in either direction lives as long as its service says. nft: nft_timeouts_test.cc, for
// there it is minutes.
//
//   client ────── gateway ──────┬── server1 10.0.0.2
//                               ╰── peer, a client, too
#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <future>

#include "net/socket.h"
#include "support/tcp.h"
#include "support/udp.h"

namespace hairpin {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::string_view yaml = R"(
services:
  brief: {listen: "1.0.0.1:1044", backends: "10.0.0.2:2044", tcp_idle_timeout: 3s}
  patient: {listen: "1.0.0.1:1045", backends: "10.0.0.2:2045"}
)";
constexpr milliseconds idle_timeout{3000};

class TcpIdle : public testing::TestWithParam<std::string> {
protected:
    uint64_t live(std::string_view service) const { return lab_.stats(service).active; }

    Conversation meet(const char* host, const char* asked, const Fd& listener) const {
        Meeting meeting = hairpin::meet(lab_->host(host), at(asked), {&listener});
        EXPECT_TRUE(meeting.conversation) << strerror(meeting.refused_with);
        if (!meeting.conversation) return {};
        EXPECT_TRUE(meeting.conversation->alive());
        return *std::move(meeting.conversation);
    }

    const TestLab lab_{yaml, GetParam(), TestLab::Backends::none};
};

TEST_P(TcpIdle, EndsASilentConnectionAndNotBefore) {
    ASSERT_TRUE(lab_);
    const Fd brief = listen_on(lab_->host("server1"), at("10.0.0.2:2044"));
    const Fd patient = listen_on(lab_->host("server1"), at("10.0.0.2:2045"));
    const Conversation other = meet("client", "1.0.0.1:1045", patient);
    const auto since = Clock::now();
    const Conversation outside = meet("client", "1.0.0.1:1044", brief);
    const Conversation hairpinned = meet("peer", "1.0.0.1:1044", brief);
    const uint64_t living = live("brief");
    EXPECT_TRUE(living == 2 || Clock::now() - since >= idle_timeout) << living << " live";
    EXPECT_TRUE(wait_for([&] { return live("brief") == 0; }));
    EXPECT_GE(Clock::now() - since, idle_timeout);
    EXPECT_EQ(live("patient"), 1u);
    EXPECT_TRUE(other.alive());
    if (GetParam() != "proxy") return;  // the others only forget it
    for (const Conversation* ended : {&outside, &hairpinned}) {
        EXPECT_EQ(receive_to_end(ended->client).error, ECONNRESET);
        EXPECT_EQ(receive_to_end(ended->backend).error, ECONNRESET);
    }
}

// Bytes at intervals, one way each, for longer than silence may last; false if this process was too slow to.
bool keep_speaking(const Conversation& client_speaks, const Conversation& backend_speaks) {
    const auto start = Clock::now();
    for (auto last = start; last - start < 2 * idle_timeout;) {
        const bool client_heard = send_all(client_speaks.client, "x") && receive(client_speaks.backend, 1) == "x";
        const bool backend_heard = send_all(backend_speaks.backend, "y") && receive(backend_speaks.client, 1) == "y";
        wait_for([] { return false; }, idle_timeout / 8);  // the pause is what is tested
        const auto now = Clock::now();
        if (now - last >= idle_timeout * 3 / 8) return false;  // the pause may be of two of them
        EXPECT_TRUE(client_heard && backend_heard);
        last = now;
    }
    return true;
}

TEST_P(TcpIdle, LetsLiveWhereEitherSideSpeaks) {
    ASSERT_TRUE(lab_);
    const Fd listener = listen_on(lab_->host("server1"), at("10.0.0.2:2044"));
    for (bool in_time = false; !in_time && !HasFailure();) {
        const Conversation client_speaks = meet("client", "1.0.0.1:1044", listener);
        const Conversation backend_speaks = meet("peer", "1.0.0.1:1044", listener);
        in_time = keep_speaking(client_speaks, backend_speaks);
        if (!in_time) continue;
        const auto spoken = Clock::now();
        const uint64_t living = live("brief");
        in_time = Clock::now() - spoken < idle_timeout / 4;
        if (!in_time) continue;
        EXPECT_GE(living, 2u);
        EXPECT_TRUE(client_speaks.alive());
        EXPECT_TRUE(backend_speaks.alive());
    }
}

// What the gateway has taken long ago may be on its way for longer than that.
TEST_P(TcpIdle, LetsASlowReaderHaveAll) {
    ASSERT_TRUE(lab_);
    const Fd listener = listen_on(lab_->host("server1"), at("10.0.0.2:2044"));
    const Conversation slow = meet("client", "1.0.0.1:1044", listener);
    set_option(slow.client.get(), SOL_SOCKET, SO_RCVBUF, 4096);
    const std::string page(400'000, 'x');
    const auto sent = std::async(std::launch::async, [&] { return send_all(slow.backend, page); });
    const auto start = Clock::now();
    size_t read = 0;
    while (Clock::now() - start < 3 * idle_timeout) {
        read += receive(slow.client, 3000).size();
        wait_for([] { return false; }, milliseconds(100));  // slowness is what is tested
    }
    ASSERT_LT(read, page.size()) << "it was not slow";
    EXPECT_EQ(read + receive(slow.client, page.size() - read).size(), page.size());
}

INSTANTIATE_TEST_SUITE_P(Every, TcpIdle, testing::Values("proxy", "tc", "xdp"));

}  // namespace
}  // namespace hairpin
