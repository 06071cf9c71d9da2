// A connection goes on through a gateway that has not seen it begin: it lost all it knew, or took over from another
// one. That holds where addresses tell all there is to know: the client's chooses the backend, and its port is kept.
//
//   client ────── gateway ──────┬── server1, server2   the gateway is killed, cleared and started anew
//   peer ──────── switch ───────╯
#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <map>

#include "support/binary.h"
#include "support/kernel_engines.h"
#include "support/program.h"
#include "support/tcp.h"
#include "support/udp.h"

namespace hairpin {
namespace {

constexpr std::string_view yaml = R"(
services:
  one: {listen: "1.0.0.1:1044", backends: "10.0.0.2:2044"}
  six: {listen: "[2001:db8::1]:1066", backends: "[fd00::2]:2066"}
  hashed: {listen: "1.0.0.1:1045", backends: ["10.0.0.2:2045", "10.0.0.3:2045"], balance: maglev}
  mapped: {listen: "1.0.0.1:1046", backends: "10.0.0.2:2046", source: {map: 100.64.0.0/24}}
  turns: {listen: "1.0.0.1:1047", backends: ["10.0.0.2:2047", "10.0.0.3:2047"]}
  shared: {listen: ["1.0.0.1:1048", "1.0.0.1:1049"], backends: "10.0.0.2:2048"}
)";

class TcpAdoption : public testing::TestWithParam<std::string> {
protected:
    Conversation meet(const char* client, const char* service, std::initializer_list<const char*> backends) {
        std::vector<const Fd*> listening;
        for (const char* backend : backends) {
            Fd& listener = listeners_[backend];
            if (!listener) listener = listen_on(host_with(lab_, at(backend)), at(backend));
            listening.push_back(&listener);
        }
        Meeting meeting = hairpin::meet(lab_->host(client), at(service), listening);
        EXPECT_TRUE(meeting.conversation) << strerror(meeting.refused_with);
        if (!meeting.conversation) return {};
        EXPECT_TRUE(meeting.conversation->alive());
        return *std::move(meeting.conversation);
    }

    // The gateway that serves afterwards knows of no connection.
    void lose_all() const {
        lab_.kill_daemon();
        const auto [status, said] = outcome_of(lab_->host("gateway"), {hairpin_binary(), "clear"});
        ASSERT_EQ(status, 0) << said;
        lab_.start_daemon();
    }

    static bool answers_to_the_client(const Conversation& conversation) {
        return send_all(conversation.backend, "answer") && receive(conversation.client, 6) == "answer";
    }

    const TestLab lab_{yaml, GetParam(), TestLab::Backends::none};

private:
    std::map<std::string, Fd> listeners_;  // by backend
};

TEST_P(TcpAdoption, GoesOnAsTheClientSpeaks) {
    ASSERT_TRUE(lab_);
    const Conversation one = meet("client", "1.0.0.1:1044", {"10.0.0.2:2044"});
    const Conversation six = meet("client", "[2001:db8::1]:1066", {"[fd00::2]:2066"});
    const Conversation hashed = meet("client", "1.0.0.1:1045", {"10.0.0.2:2045", "10.0.0.3:2045"});
    const Conversation mapped = meet("peer", "1.0.0.1:1046", {"10.0.0.2:2046"});
    const Conversation routed = meet("routed", "1.0.0.1:1044", {"10.0.0.2:2044"});
    const Conversation shared = meet("client", "1.0.0.1:1049", {"10.0.0.2:2048"});
    lose_all();
    for (const Conversation* conversation : {&one, &six, &hashed, &mapped, &routed, &shared})
        EXPECT_TRUE(conversation->alive());
    const ServiceStats stats = lab_.stats("one");
    EXPECT_EQ(stats.accepted[static_cast<size_t>(Path::external)], 1u) << "it is this gateway's now";
    EXPECT_EQ(stats.accepted[static_cast<size_t>(Path::routed)], 1u);
    EXPECT_EQ(stats.active, 2u);
}

// The client hears at once, and is not left to wait.
TEST_P(TcpAdoption, IsResetWhereTurnsHadChosenTheBackend) {
    ASSERT_TRUE(lab_);
    const Conversation turns = meet("client", "1.0.0.1:1047", {"10.0.0.2:2047", "10.0.0.3:2047"});
    if (GetParam() == "nft")
        GTEST_SKIP() << "Gap: connection tracking begins it anew, to whichever backend's turn it is";
    lose_all();
    EXPECT_TRUE(send_all(turns.client, "question"));
    EXPECT_EQ(receive_to_end(turns.client).error, ECONNRESET);
}

// Somebody who has a backend's own address needs no gateway, and no gateway may get in between; nor is what the backend
// begins itself anybody's answer.
TEST_P(TcpAdoption, LeavesConnectionsAloneThatAreNoServices) {
    ASSERT_TRUE(lab_);
    const Fd backend = listen_on(lab_->host("server1"), at("10.0.0.2:2044"));
    const Meeting direct = hairpin::meet(lab_->host("routed"), at("10.0.0.2:2044"), {&backend});
    ASSERT_TRUE(direct.conversation);
    const Fd outside = listen_on(lab_->host("client"), at("1.0.0.100:9000"));
    const Fd caller = connect_from(lab_->host("server1"), {Protocol::tcp, at("10.0.0.2:2046"), at("1.0.0.100:9000")});
    ASSERT_TRUE(caller) << strerror(errno);
    const Fd called = accept_from(outside);
    lose_all();
    EXPECT_TRUE(answers_to_the_client(*direct.conversation));
    EXPECT_TRUE(direct.conversation->alive());
    EXPECT_TRUE(send_all(caller, "question"));
    EXPECT_EQ(receive(called, 8), "question");
}

// A server on the gateway itself, whose endpoint a service takes over, keeps the clients that it has.
TEST_P(TcpAdoption, LeavesConnectionsOfTheGatewaysOwnServersAlone) {
    const TestLab lab("services: {other: {listen: \"1.0.0.1:1050\", backends: \"10.0.0.2:2050\"}}", GetParam(),
                      TestLab::Backends::none);
    ASSERT_TRUE(lab);
    const Fd server = listen_on(lab->host("gateway"), at("1.0.0.1:1044"));
    const Meeting met = hairpin::meet(lab->host("client"), at("1.0.0.1:1044"), {&server});
    ASSERT_TRUE(met.conversation);
    ASSERT_TRUE(lab.reload(yaml)) << lab->daemon_log();
    EXPECT_TRUE(met.conversation->alive());
}

INSTANTIATE_TEST_SUITE_P(Every, TcpAdoption, testing::ValuesIn(kernel_engine_names()),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace hairpin
