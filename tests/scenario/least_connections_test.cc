// balance: least_connections, which the proxy has: new flows go where the fewest live.
//
//   client 1.0.0.100 ──── gateway 1.0.0.1:1044 ──┬── server1  10.0.0.2:2044
//   peer   10.0.0.50 ─────────╯                  ╰── server2  10.0.0.3:2044
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "net/socket.h"
#include "support/binary.h"
#include "support/kernel_engines.h"
#include "support/program.h"
#include "support/tcp.h"
#include "support/udp.h"

namespace hairpin {
namespace {

const Endpoint service = at("1.0.0.1:1044");
const Endpoint first = at("10.0.0.2:2044");
const Endpoint second = at("10.0.0.3:2044");

std::string yaml(std::string_view backends, std::string_view more = "") {
    return fmt::format(
        "threads: 2\nservices:\n  srv: {{listen: 1.0.0.1:1044, backends: [{}], protocol: both, balance: "
        "least_connections{}}}\n",
        backends, more);
}
constexpr std::string_view both = "10.0.0.2:2044, 10.0.0.3:2044";

// Connections that stay, and at whose backend.
class LeastConnections : public testing::Test {
protected:
    void serve(const std::string& text) {
        lab_.emplace(text, "proxy", TestLab::Backends::none);
        ASSERT_TRUE(*lab_);
        one_ = listen_on(host("server1"), first);
        other_ = listen_on(host("server2"), second);
    }
    const TestLab& lab() const { return *lab_; }
    const lab::Host& host(std::string_view name) const { return (*lab_)->host(name); }

    // So many more clients, from outside and from beside the backends in turn; how many of them the first backend has.
    int begin(int clients) {
        int at_first = 0;
        for (int i = 0; i < clients; ++i) {
            Meeting meeting = meet(host(i % 2 == 0 ? "client" : "peer"), service, {&one_, &other_});
            EXPECT_TRUE(meeting.conversation) << (*lab_)->daemon_log();
            if (!meeting.conversation) return -1;
            const bool is_first = local_endpoint(meeting.conversation->backend.get()) == first;
            at_first += is_first;
            (is_first ? at_first_ : at_second_).push_back(*std::move(meeting.conversation));
        }
        return at_first;
    }
    // Returns when the gateway knows.
    void end_all(std::vector<Conversation>& conversations) {
        const uint64_t before = lab().stats("srv").active;
        const uint64_t ended = conversations.size();
        conversations.clear();
        EXPECT_TRUE(wait_for([&] { return lab().stats("srv").active == before - ended; }));
    }

    std::vector<Conversation> at_first_, at_second_;
    Fd one_, other_;

private:
    std::optional<TestLab> lab_;
};

TEST_F(LeastConnections, LeadsWhereTheFewestLive) {
    serve(yaml(both));
    EXPECT_EQ(begin(8), 4);
    end_all(at_first_);
    EXPECT_EQ(begin(4), 4) << "until both have as many";
    EXPECT_EQ(begin(6), 3);
    end_all(at_second_);
    EXPECT_EQ(begin(7), 0);
    EXPECT_EQ(begin(2), 1);
}

TEST_F(LeastConnections, CountsByWeight) {
    serve(yaml("{endpoint: 10.0.0.2:2044, weight: 3}, 10.0.0.3:2044"));
    EXPECT_EQ(begin(12), 9);
    end_all(at_first_);
    EXPECT_EQ(begin(9), 9);
}

TEST_F(LeastConnections, SessionsCountAsConnectionsDo) {
    serve(yaml(both));
    const UdpSocket one(host("server1"), first);
    const UdpSocket other(host("server2"), second);
    ASSERT_EQ(begin(4), 2);
    end_all(at_second_);
    const UdpSocket outside(host("client"), at("1.0.0.100"));
    const UdpSocket beside(host("peer"), at("10.0.0.50"));
    exchange(outside, service, other);
    exchange(beside, service, other);
    EXPECT_EQ(begin(4), 2) << "two connections there, two sessions here";
}

TEST_F(LeastConnections, AReloadForgetsNothingOfThoseThatStay) {
    serve(yaml(both));
    ASSERT_EQ(begin(8), 4);
    end_all(at_second_);
    ASSERT_TRUE(lab().reload(yaml(both, ", connect_timeout: 2s")));
    EXPECT_EQ(begin(4), 0);
    ASSERT_TRUE(lab().reload(yaml("10.0.0.3:2044, {endpoint: 10.0.0.2:2044, weight: 2}")));
    EXPECT_EQ(begin(4), 4) << "4 of weight 2 and 4 of weight 1";
    for (const Conversation& conversation : at_first_) EXPECT_TRUE(conversation.alive());
}

// What was counted while another policy was in force counts, too.
TEST_F(LeastConnections, KnowsWhatLivedBeforeIt) {
    serve("services:\n  srv: {listen: 1.0.0.1:1044, backends: [10.0.0.2:2044, 10.0.0.3:2044]}\n");
    ASSERT_EQ(begin(6), 3);
    end_all(at_first_);
    ASSERT_TRUE(
        lab().reload("services:\n  srv: {listen: 1.0.0.1:1044, backends: [10.0.0.2:2044, 10.0.0.3:2044], "
                     "balance: least_connections}\n"));
    EXPECT_EQ(begin(3), 3);
}

// Out of 20, each would go to a newcomer that counts as idle.
TEST_F(LeastConnections, ANewcomerIsNotFlooded) {
    serve(yaml("10.0.0.2:2044, {endpoint: 10.0.0.3:2044, weight: 0}"));
    ASSERT_EQ(begin(100), 100);
    const auto began = std::chrono::steady_clock::now();
    ASSERT_TRUE(lab().reload(yaml(both)));
    const int at_first = begin(20);
    // It counts as one that has 100, of which each 300 ms take one away.
    const auto passed = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - began);
    EXPECT_GE(at_first, 10 - 1 - passed.count() / 300 / 2) << passed.count() << " ms";
    EXPECT_LE(at_first, 10);
}

TEST_F(LeastConnections, WhoRefusesIsPassedOver) {
    serve(yaml(both));
    ASSERT_EQ(begin(2), 1);
    one_.reset();
    end_all(at_first_);
    EXPECT_EQ(begin(4), 0);
    EXPECT_EQ(lab().stats("srv").refused_for(Refusal::backend), 0u);
}

TEST(LeastConnectionsInTheKernel, IsRefusedAndTheWayOutIsNamed) {
    const TestLab lab("services:\n  srv: {listen: 1.0.0.1:1044, backends: [10.0.0.2:2044]}\n");
    ASSERT_TRUE(lab);
    const TemporaryFile config(yaml(both));
    for (const std::string& engine : kernel_engine_names()) {
        const std::string said = output_of(
            lab->host("gateway"),
            {"sh", "-c",
             hairpin_binary() + " run --engine " + engine + " --socket none -c " + config.path() + " 2>&1 || true"});
        EXPECT_NE(said.find("balance: least_connections: the kernel does not count the flows of a backend; use engine: "
                            "proxy, or balance: round_robin"),
                  std::string::npos)
            << engine << ": " << said;
    }
}

// `auto` takes the engine that can.
TEST(LeastConnectionsInTheKernel, IsWhyAutoTakesTheProxy) {
    const TestLab lab(yaml(both));
    ASSERT_TRUE(lab);
    const TemporaryFile config("engine: auto\n" + yaml(both));
    const std::string said = output_of(lab->host("gateway"), {hairpin_binary(), "check", config.path()});
    EXPECT_NE(said.find("on this machine: engine auto takes proxy"), std::string::npos) << said;
}

}  // namespace
}  // namespace hairpin
