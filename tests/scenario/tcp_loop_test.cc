// A gateway that connects to itself, and so on until no descriptor is left: refused by `check`, cut where it only comes
// about later.
//
//               ╭─ gateway ───────────────────╮
//   client ─────┤ 0.0.0.0:1234 ──> 10.0.0.2   │   10.0.0.2 was a server;
//               │      ^               │      │   now it is the gateway's own
//               │      ╰───────────────╯      │
//               ╰─────────────────────────────╯
#include <gtest/gtest.h>
#include <sys/wait.h>

#include "support/binary.h"
#include "support/tcp.h"

namespace hairpin {
namespace {

struct Told {
    int status = -1;
    std::string output;
};

Told check(std::string_view yaml) {
    const TemporaryFile file(yaml);
    const auto gained = lab::gain_privileges();
    EXPECT_TRUE(gained) << gained.error().message;
    auto host = lab::Host::make();
    EXPECT_TRUE(host) << host.error().message;
    auto process = lab::Process::start(*host, {hairpin_binary(), "check", file.path()});
    EXPECT_TRUE(process) << process.error().message;
    const auto status = (*process)->wait(patience);
    (*process)->wait_for_output("\n", patience);
    return {status && WIFEXITED(*status) ? WEXITSTATUS(*status) : -1, (*process)->output()};
}

TEST(TcpLoop, ToItselfIsRefused) {
    const Told told = check("services:\n  a: {listen: 1.0.0.1:1234, backends: 1.0.0.1:1234}\n");
    EXPECT_EQ(told.status, 2) << told.output;
    EXPECT_NE(told.output.find(":2:"), std::string::npos) << told.output;
}

TEST(TcpLoop, ThroughAnotherServiceIsRefused) {
    const Told told = check(
        "services:\n"
        "  a: {listen: 1.0.0.1:1234, backends: 1.0.0.1:1235}\n"
        "  b: {listen: 1.0.0.1:1235, backends: 1.0.0.1:1234}\n");
    EXPECT_EQ(told.status, 2) << told.output;
    EXPECT_NE(told.output.find(":2:"), std::string::npos) << told.output;
}

TEST(TcpLoop, InAnotherSpellingIsRefused) {
    for (const std::string backend : {"127.0.0.1:1234", "'[::ffff:127.0.0.1]:1234'"}) {
        const Told told = check("services:\n  a: {listen: 0.0.0.0:1234, backends: " + backend + "}\n");
        EXPECT_EQ(told.status, 2) << backend << "\n" << told.output;
    }
}

class TcpLoopAtRunTime : public testing::TestWithParam<const char*> {};

TEST_P(TcpLoopAtRunTime, IsCut) {
    const std::string source = GetParam();
    const TestLab lab("defaults: {source: " + source + "}\n" +
                          "services:\n"
                          "  wild: {listen: 0.0.0.0:1234, backends: 10.0.0.2:1234}\n"
                          "  other: {listen: 1.0.0.1:80, backends: 10.0.0.3:80}\n",
                      "proxy", TestLab::Backends::none);
    ASSERT_TRUE(lab);
    const Fd server = listen_on(lab->host("server1"), *Endpoint::parse("10.0.0.2:1234"));
    const Fd other = listen_on(lab->host("server2"), *Endpoint::parse("10.0.0.3:80"));
    const Endpoint wild = *Endpoint::parse("1.0.0.1:1234");
    const lab::Host& client = lab->host("client");
    EXPECT_TRUE(meet(client, wild, {&server}).conversation) << "before, all is well";
    const Meeting bystander = meet(client, *Endpoint::parse("1.0.0.1:80"), {&other});
    ASSERT_TRUE(bystander.conversation);

    const size_t descriptors = descriptors_of(lab->daemon().pid());
    ASSERT_TRUE(lab.follows([&] {
        gain_address(lab->host("gateway"), *Ip::parse("10.0.0.2"));
        EXPECT_EQ(meet(client, wild, {}).refused_with, ECONNRESET) << "whether the daemon knows yet or not";
    }));
    EXPECT_EQ(meet(client, wild, {}).refused_with, ECONNRESET);
    EXPECT_LT(descriptors_of(lab->daemon().pid()), descriptors + 10);
    EXPECT_GE(lab.stats("wild").refused_for(Refusal::loop), 1);
    EXPECT_TRUE(wait_for([&] { return lab.stats("wild").active == 0; }));
    EXPECT_TRUE(lab.logs("was asked by the gateway's own connection to a backend"));
    EXPECT_TRUE(bystander.conversation->alive());
}

INSTANTIATE_TEST_SUITE_P(Every, TcpLoopAtRunTime, testing::Values("external", "gateway"),
                         [](const auto& param_info) { return std::string(param_info.param); });

}  // namespace
}  // namespace hairpin
