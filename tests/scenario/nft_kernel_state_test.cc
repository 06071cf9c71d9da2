// What the nft engine leaves in the kernel: forwarding that outlives a killed daemon, other people's rules as they
// were, and nothing of its own after an orderly stop.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <csignal>
#include <fstream>
#include <new>
#include <sstream>

#include "engines/nft/conntrack.h"
#include "support/binary.h"
#include "support/tcp.h"
#include "support/two_services.h"
#include "support/udp.h"

namespace hairpin {
namespace {

const Endpoint asked = at("1.0.0.1:5432");

// What nft(8) lists on the gateway.
std::string listed(const TestLab& lab, const std::string& what) {
    const TemporaryFile file("");
    command(lab->host("gateway"), "nft list " + what + " > " + file.path());
    std::ostringstream text;
    text << std::ifstream(file.path()).rdbuf();
    return text.str();
}

TEST(NftKernelState, AKilledDaemonLeavesForwardingOnEveryPath) {
    const TestLab lab(two_services, "nft");
    ASSERT_TRUE(lab);
    lab->daemon().signal(SIGKILL);
    ASSERT_TRUE(lab->daemon().wait(patience));
    expect_service(lab);
}

TEST(NftKernelState, OtherPeoplesRulesAreLeftAloneAndOursAreGoneAfterAStop) {
    const TestLab lab(two_services, "nft");
    ASSERT_TRUE(lab);
    const std::string ours = listed(lab, "ruleset");
    EXPECT_NE(ours.find("table inet hairpin"), std::string::npos);
    command(lab->host("gateway"),
            "nft 'table ip filter { chain FORWARD { type filter hook forward priority 0; policy accept; }; }; "
            "add rule ip filter FORWARD ip daddr 10.9.9.9 drop'");
    const std::string theirs = listed(lab, "table ip filter");

    ASSERT_TRUE(
        lab.reload(std::string(two_services) + "  srv3: {listen: \"1.0.0.1:99\", backends: \"10.0.0.3:99\"}\n"));
    EXPECT_NE(listed(lab, "ruleset").find(theirs), std::string::npos);
    expect_service(lab);
    lab->daemon().signal(SIGTERM);
    lab->daemon().signal(SIGTERM);  // at once
    ASSERT_TRUE(lab->daemon().wait(patience));
    EXPECT_EQ(listed(lab, "ruleset"), theirs);
}

// Another table's accept cannot be overridden, only pointed out.
TEST(NftKernelState, AForeignChainThatDropsIsNamedWithItsRemedy) {
    const TestLab lab(two_services, "nft");
    ASSERT_TRUE(lab);
    command(lab->host("gateway"),
            "nft 'table ip filter { chain FORWARD { type filter hook forward priority 0; policy drop; }; }'");
    lab->daemon().signal(SIGKILL);
    ASSERT_TRUE(lab->daemon().wait(patience));
    const TemporaryFile config(two_services);
    auto next = lab::Process::start(
        lab->host("gateway"), {hairpin_binary(), "run", "-c", config.path(), "--engine", "nft", "--socket", "none"});
    ASSERT_TRUE(next);
    EXPECT_TRUE((*next)->wait_for_output("iptables -I FORWARD -m conntrack --ctstate DNAT -j ACCEPT", patience))
        << (*next)->output();
    command(lab->host("gateway"), "nft insert rule ip filter FORWARD ct status dnat accept");
    expect_service(lab);
}

// As `systemctl restart nftables` does.
TEST(NftKernelState, AReloadBringsBackTheServicesAfterSomebodyFlushedTheRuleset) {
    const TestLab lab(two_services, "nft");
    ASSERT_TRUE(lab);
    command(lab->host("gateway"), "nft flush ruleset");
    ASSERT_TRUE(lab.reload(two_services)) << lab->daemon_log();
    expect_service(lab);
    EXPECT_TRUE(lab.logs("somebody removed the table inet hairpin"));

    command(lab->host("gateway"), "nft flush ruleset");
    ASSERT_TRUE(lab.reload(std::string(two_services) + "  srv3: {listen: \"1.0.0.1:99\", backends: \"10.0.0.3:99\"}\n"))
        << lab->daemon_log();
    expect_service(lab);
}

size_t times_removed(const TestLab& lab) {
    constexpr std::string_view told = "somebody removed the table inet hairpin, or a part of it: it is made anew";
    const std::string log = lab->daemon_log();
    size_t times = 0;
    for (size_t at = log.find(told); at != log.npos; at = log.find(told, at + 1)) ++times;
    return times;
}

TEST(NftKernelState, WhatSomebodyTakesAwayIsBackWithinSecondsAndTheLogSaysSoOnce) {
    const TestLab lab(two_services, "nft");
    ASSERT_TRUE(lab);
    size_t times = 0;
    for (const char* change : {"flush ruleset", "delete table inet hairpin", "flush table inet hairpin",
                               "delete chain inet hairpin guard_received"}) {
        command(lab->host("gateway"), std::string("nft ") + change);
        ++times;
        EXPECT_TRUE(wait_for([&] { return times_removed(lab) == times; })) << change << "\n" << lab->daemon_log();
        EXPECT_TRUE(wait_for([&] { return seen_from(lab, "client", "1.0.0.100", Protocol::tcp) == "1.0.0.100"; }));
        EXPECT_TRUE(wait_for([&] { return listed(lab, "chains").find("guard_received") != std::string::npos; }));
        expect_service(lab);
    }
    EXPECT_EQ(times_removed(lab), times);
}

TEST(NftKernelState, WhatOthersChangeBesideOurTableIsNoReasonToMakeItAnew) {
    const TestLab lab(two_services, "nft");
    ASSERT_TRUE(lab);
    const std::string before = listed(lab, "table inet hairpin");
    command(lab->host("gateway"), "nft add chain inet hairpin debugging; nft add table ip other");
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(2500);  // the engine looks twice
    while (std::chrono::steady_clock::now() < until) {
        command(lab->host("gateway"), "nft 'add chain ip other more; delete chain ip other more'");
    }
    EXPECT_EQ(times_removed(lab), 0u);
    command(lab->host("gateway"), "nft delete chain inet hairpin debugging");
    EXPECT_EQ(listed(lab, "table inet hairpin"), before);
    expect_service(lab);
}

TEST(NftKernelState, FlowsForWhichThereIsNoMemoryAreNoReasonNotToListThemLater) {
    const TestLab lab(two_services, "nft");
    ASSERT_TRUE(lab);
    expect_service(lab);
    lab->host("gateway").run([] {
        nft::Conntrack conntrack;
        EXPECT_THROW((void)conntrack.review(nft::Flows::all, [](const auto&) -> nft::Fate { throw std::bad_alloc(); }),
                     std::bad_alloc);
        size_t flows = 0;
        const auto count = [&](const auto&) {
            ++flows;
            return nft::Fate::keep;
        };
        const auto listed = conntrack.review(nft::Flows::all, count);
        EXPECT_TRUE(listed) << listed.error().message;
        EXPECT_GE(flows, 8u);
    });
}

std::unique_ptr<lab::Process> run(const TestLab& lab, const TemporaryFile& config) {
    auto started = lab::Process::start(
        lab->host("gateway"), {hairpin_binary(), "run", "-c", config.path(), "--engine", "nft", "--socket", "none"});
    EXPECT_TRUE(started);
    return *std::move(started);
}

// The kernel allows such names, and nft(8) cannot write them.
TEST(NftKernelState, ALinkThatRulesCannotNameIsAnErrorThatNamesIt) {
    const TestLab lab(two_services, "nft");
    ASSERT_TRUE(lab);
    lab.kill_daemon();
    const TemporaryFile config(two_services);
    std::string link = "ext";
    for (const std::string name : {"ex*", "e\"t"}) {
        command(lab->host("gateway"), fmt::format("ip link set dev '{}' name '{}'", link, name));
        link = name;
        const auto daemon = run(lab, config);
        const auto status = daemon->wait(patience);
        ASSERT_TRUE(status) << daemon->output();
        EXPECT_EQ(WEXITSTATUS(*status), 1);
        EXPECT_NE(daemon->output().find("link " + name + ": rules cannot name it"), std::string::npos)
            << daemon->output();
    }
    command(lab->host("gateway"), fmt::format("ip link set dev '{}' name 'e*t'", link));
    const auto daemon = run(lab, config);
    EXPECT_TRUE(daemon->wait_for_output("ready: ", patience)) << daemon->output();
    expect_service(lab);
}

// Such services are called like their endpoint, which is no name for a chain.
TEST(NftKernelState, ServicesOnTheCommandLineMayHaveSeveralBackends) {
    const TestLab lab(two_services, "nft");
    ASSERT_TRUE(lab);
    lab->daemon().signal(SIGTERM);
    ASSERT_TRUE(lab->daemon().wait(patience));
    auto next = lab::Process::start(lab->host("gateway"), {hairpin_binary(), "run", "--engine", "nft", "--socket",
                                                           "none", "1.0.0.1:5432=10.0.0.2:54321,10.0.0.3:12345/both"});
    ASSERT_TRUE(next);
    EXPECT_TRUE((*next)->wait_for_output("ready: ", patience)) << (*next)->output();
    expect_service(lab);
}

// srv1, and a thousand others on ports from `first` on.
std::string with_thousand_others(const char* name, int first) {
    std::string text(two_services);
    for (int i = 0; i < 1000; ++i) {
        text += fmt::format("  {}{}: {{listen: \"1.0.0.1:{}\", backends: \"10.0.0.2:54321\"}}\n", name, i, first + i);
    }
    return text;
}

TEST(NftKernelState, AThousandServicesReplacedAtOnceLeaveTheConnectionsOfAllAlone) {
    const TestLab lab(with_thousand_others("old", 10'000), "nft");
    ASSERT_TRUE(lab);
    const lab::Host& client = lab->host("client");
    const Fd kept = dial(client, asked);
    const Fd gone = dial(client, at("1.0.0.1:10999"));
    ASSERT_TRUE(kept && gone);

    ASSERT_TRUE(lab.reload(with_thousand_others("new", 20'000)));
    EXPECT_TRUE(dial(client, at("1.0.0.1:20999")));
    EXPECT_FALSE(dial(client, at("1.0.0.1:10999")));
    for (const Fd* connection : {&kept, &gone}) {
        ASSERT_TRUE(send_all(*connection, "question"));
        EXPECT_EQ(receive(*connection, std::string("server1 ").size()), "server1 ");
    }
    EXPECT_EQ(lab.stats("old999").active, 1u);
    expect_service(lab);
}

TEST(NftKernelState, AReloadThatChangesNothingForgetsNoServiceThatWentWithLiveConnections) {
    const TestLab lab(with_thousand_others("old", 10'000), "nft");
    ASSERT_TRUE(lab);
    const Fd connection = dial(lab->host("client"), at("1.0.0.1:10999"));
    ASSERT_TRUE(connection);
    ASSERT_TRUE(lab.reload(two_services));
    ASSERT_TRUE(lab.reload(two_services));
    EXPECT_EQ(lab.stats("old999").active, 1u);
}

// An element for each endpoint that was ever asked: here, others have asked for as many as there is room for.
// Its first flow is, for the rule that counts has another one behind it for where there is no memory for a counter.
TEST(NftKernelState, AnEndpointBeyondTheRoomOfTheCountersIsServedAndTheLogSaysThatItIsNotCounted) {
    const TestLab lab(two_services, "nft");
    ASSERT_TRUE(lab);
    constexpr int room = 196'607;
    std::string elements = "add element inet hairpin accepted4 { ";
    for (int i = 0; i < room; ++i) {
        elements += fmt::format("{}9.9.{}.{} . {} . 0 . 10.0.0.2 . 80", i > 0 ? ", " : "", i / 65536, i / 256 % 256,
                                1 + i % 256);
    }
    const TemporaryFile file(elements + " }\n");
    command(lab->host("gateway"), "nft -f " + file.path());

    for (int i = 0; i < 2; ++i) {
        EXPECT_EQ(seen_from(lab, "client", "1.0.0.100", Protocol::tcp), "1.0.0.100");
        EXPECT_EQ(lab.stats("srv1").accepted_on(Path::external), 1u);
    }
    const ServiceStats stats = lab.stats("srv1");
    EXPECT_GT(stats.bytes_to_backends, 0u);
    EXPECT_TRUE(lab.logs("the counters hold 196607 endpoints and their backends at most"));
}

}  // namespace
}  // namespace hairpin
