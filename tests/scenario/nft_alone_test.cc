// There is one table of ours in a network namespace, so one daemon of the nft engine: a second one is refused and told
// of the first. A lock that a killed daemon held is free.
//
//   client 1.0.0.100 ── 1.0.0.1 gateway 10.0.0.1 ── server1 10.0.0.2
#include <gtest/gtest.h>

#include <csignal>

#include "lab/prober.h"
#include "support/binary.h"
#include "support/program.h"
#include "support/tcp.h"
#include "support/udp.h"

namespace hairpin {
namespace {

constexpr std::string_view yaml = "services: {srv: {listen: 1.0.0.1:5432, backends: 10.0.0.2:54321}}\n";

std::vector<std::string> run(const std::string& engine, const std::string& rule = "1.0.0.1:99=10.0.0.2:54321") {
    return {hairpin_binary(), "run", "--engine", engine, "--socket", "none", rule};
}

void expect_service(const TestLab& lab) {
    const Leg asked{Protocol::tcp, at("1.0.0.100"), at("1.0.0.1:5432")};
    const auto answer = lab::ask(lab->host("client"), asked, ProxyHeader::none, patience);
    EXPECT_TRUE(answer) << answer.error().message;
}

TEST(NftAlone, ASecondDaemonIsRefusedAndNamesTheFirst) {
    const TestLab lab(yaml, "nft");
    ASSERT_TRUE(lab);
    const Outcome second = outcome_of(lab->host("gateway"), run("nft"));
    EXPECT_EQ(second.status, 1);
    const std::string pid = std::to_string(lab->daemon().pid());
    EXPECT_NE(second.output.find("process " + pid + " serves this network namespace: stop it first"), std::string::npos)
        << second.output;
    expect_service(lab);
    EXPECT_FALSE(dial(lab->host("client"), at("1.0.0.1:99")));
}

// Its memory may take the kernel a while, and its descriptors are closed after that.
TEST(NftAlone, AKilledDaemonIsFollowedAtOnce) {
    const TestLab lab(yaml, "nft");
    ASSERT_TRUE(lab);
    lab->daemon().signal(SIGKILL);
    std::vector<std::unique_ptr<lab::Process>> daemons;
    for (int i = 0; i < 5; ++i) {
        auto next = lab::Process::start(lab->host("gateway"), run("nft", "1.0.0.1:5432=10.0.0.2:54321"));
        ASSERT_TRUE(next);
        ASSERT_TRUE((*next)->wait_for_output("ready: ", patience)) << (*next)->output();
        (*next)->signal(SIGKILL);
        daemons.push_back(*std::move(next));
    }
    expect_service(lab);
}

TEST(NftAlone, ProxiesOnDifferentEndpointsLiveSideBySide) {
    const TestLab lab(yaml, "proxy");
    ASSERT_TRUE(lab);
    const auto second = lab::Process::start(lab->host("gateway"), run("proxy"));
    ASSERT_TRUE(second);
    EXPECT_TRUE((*second)->wait_for_output("ready: ", patience)) << (*second)->output();
    expect_service(lab);
    EXPECT_TRUE(dial(lab->host("client"), at("1.0.0.1:99")));
}

}  // namespace
}  // namespace hairpin
