// Services that listen on a link follow its addresses; and addresses that the gateway does not have, for a router
// before it maps them to it.
//
//               ╭─ gateway ─────────────────────╮
//   client ─────┤ wan0:1234 ──> 10.0.0.2:4321   │
//               │ wan0 bears what DHCP gives it │
//               ╰───────────────────────────────╯
#include <gtest/gtest.h>

#include <cstring>
#include <utility>

#include "support/binary.h"
#include "support/churn.h"
#include "support/echo_server.h"
#include "support/program.h"
#include "support/tcp.h"
#include "support/udp.h"

namespace hairpin {
namespace {

constexpr std::string_view yaml = "services:\n  pg: {listen: wan0:1234, protocol: both, backends: 10.0.0.2:4321}\n";

const Endpoint anywhere{Ip::any(Family::v4), 0};

// The same network as the gateway's own address, another host.
Ip beside(const lab::HostPlan& gateway, std::string_view host_bits) {
    return Prefix::of(*gateway.address(Family::v4), 24).with_host_of(*Ip::parse(host_bits));
}

class ListenLinks : public testing::TestWithParam<std::string> {};

TEST_P(ListenLinks, AreServedAtTheAddressesThatTheyBear) {
    const TestLab lab(yaml, GetParam());
    ASSERT_TRUE(lab);
    EXPECT_TRUE(lab::holds(lab->prove()));
    const lab::HostPlan& gateway = lab->plan().gateway();
    const Ip first = *gateway.address(Family::v4);
    const Ip second = beside(gateway, "0.0.0.77");
    command(lab->host("gateway"), "ip address add " + second.str() + "/32 dev wan0");
    ASSERT_TRUE(lab->daemon().wait_for_output("now served at " + first.str(), patience)) << lab->daemon_log();
    for (const char* host : {"client", "routed", "peer", "server1", "gateway"}) {
        EXPECT_TRUE(connect_from(lab->host(host), {Protocol::tcp, anywhere, {second, 1234}}))
            << host << strerror(errno);
    }
    command(lab->host("gateway"), "ip address del " + first.str() + "/24 dev wan0");
    ASSERT_TRUE(lab->daemon().wait_for_output("no longer at " + first.str(), patience)) << lab->daemon_log();
    EXPECT_TRUE(connect_from(lab->host("peer"), {Protocol::tcp, anywhere, {second, 1234}})) << strerror(errno);
}

// PPPoE and tunnels: the link is made when the line comes up, and goes with it.
TEST_P(ListenLinks, MayComeLaterAndGo) {
    const TestLab lab("services:\n  pg: {listen: [wan0:1234, wan1:1234], backends: 10.0.0.2:4321}\n", GetParam());
    ASSERT_TRUE(lab);
    EXPECT_TRUE(lab->daemon().wait_for_output("link wan1 is not there, or down", patience)) << lab->daemon_log();
    const lab::Host& gateway = lab->host("gateway");
    EXPECT_EQ(outcome_of(gateway, {hairpin_binary(), "status", "--socket", lab.socket()}).status, 1);
    const Leg leg{Protocol::tcp, anywhere, *Endpoint::parse("10.7.0.1:1234")};
    command(lab->host("client"), "ip route add 10.7.0.1/32 via " + lab->plan().gateway().address(Family::v4)->str());
    command(gateway, "ip link add wan1 type bridge && ip address add 10.7.0.1/32 dev wan1 && ip link set wan1 up");
    ASSERT_TRUE(lab->daemon().wait_for_output("link wan1: what listens there is now served at 10.7.0.1", patience))
        << lab->daemon_log();
    EXPECT_TRUE(connect_from(lab->host("client"), leg)) << strerror(errno);
    EXPECT_TRUE(connect_from(lab->host("peer"), leg)) << strerror(errno);
    command(gateway, "ip link del wan1");
    EXPECT_TRUE(wait_for([&] {
        const std::string log = lab->daemon_log();
        return log.rfind("link wan1 is not there, or down") > log.find("now served at 10.7.0.1");
    })) << lab->daemon_log();
}

// An address takes another one's place, time and again: who calls at one that stays notices nothing, who calls at the
// new one is served as soon as the gateway says so, and the old one serves nobody.
TEST_P(ListenLinks, ChangeWithoutHarmToWhatStaysAndToWhatComes) {
    const TestLab lab(yaml, GetParam(), TestLab::Backends::none);
    ASSERT_TRUE(lab);
    const EchoServer server(lab->host("server1"), at("10.0.0.2:4321"));
    const lab::Host& client = lab->host("client");
    const Ip stays = *lab->plan().gateway().address(Family::v4);
    std::string old = beside(lab->plan().gateway(), "0.0.0.77").str();
    std::string late = beside(lab->plan().gateway(), "0.0.0.78").str();
    const auto change = [&](const std::string& batch) {
        const size_t told = lab->daemon_log().size();
        command(lab->host("gateway"), "printf '" + batch + "' | ip -batch -");
        return [&lab, told](const std::string& what) {
            return wait_for([&] { return lab->daemon_log().find(what, told) != std::string::npos; });
        };
    };
    const auto expect_no_failure = [&](Churn& churn) {
        const Tally tally = churn.stop();
        EXPECT_EQ(tally.failures, 0u) << tally.first_failure << "\n" << lab->daemon_log();
    };
    // Either leads to the gateway even without being its own, so that it is the gateway who serves nobody there; and
    // which says so, rather than to look for another host of that address.
    for (const std::string& address : {old, late}) {
        command(client, "ip route add " + address + " via " + stays.str());
        command(lab->host("gateway"), "ip route add unreachable " + address);
    }
    ASSERT_TRUE(change("address add " + old + "/24 dev wan0\n")(", " + old)) << lab->daemon_log();

    Churn staying(client, {stays, 1234});
    for (int i = 0; i < 4; ++i) {
        const auto says = change("address del " + old + "/24 dev wan0\naddress add " + late + "/24 dev wan0\n");
        EXPECT_TRUE(says(", " + late)) << lab->daemon_log();
        Churn coming(client, at(late + ":1234"));
        EXPECT_TRUE(says("no longer at " + old)) << lab->daemon_log();
        EXPECT_TRUE(coming.goes_on());
        EXPECT_TRUE(staying.goes_on());
        expect_no_failure(coming);
        std::swap(old, late);
    }
    EXPECT_FALSE(connect_from(client, {Protocol::tcp, anywhere, at(late + ":1234")})) << late << " is served";
    expect_no_failure(staying);
}

// The gateway's link has 1.0.0.1, the world knows 203.0.113.7, which the router before the gateway maps to that. From
// the inside it never gets as far as the router.
TEST_P(ListenLinks, AlsoServeAnAddressThatARouterMapsToThem) {
    const TestLab lab("services:\n  pg: {listen: wan0:1234, protocol: both, backends: 10.0.0.2:4321}\n", GetParam(),
                      TestLab::Backends::none);
    ASSERT_TRUE(lab);
    const auto give_it_to_the_gateway = [&] { command(lab->host("gateway"), "ip address add 203.0.113.7/32 dev lo"); };
    if (GetParam() == "proxy") give_it_to_the_gateway();
    ASSERT_TRUE(lab.reload(
        "services:\n  pg: {listen: wan0:1234, also: 203.0.113.7, protocol: both, backends: 10.0.0.2:4321}\n"));
    const Endpoint also = *Endpoint::parse("203.0.113.7:1234");
    const Fd server = listen_on(lab->host("server1"), *Endpoint::parse("10.0.0.2:4321"));
    for (const char* host : {"routed", "peer", "server1", "gateway"}) {
        // The programs see what the gateway itself sends to addresses of its own, and no more.
        if (is_bpf(GetParam()) && host == std::string_view("gateway")) {
            ASSERT_TRUE(lab.follows(give_it_to_the_gateway));
        }
        const Meeting meeting = meet(lab->host(host), also, {&server});
        ASSERT_TRUE(meeting.conversation) << host << ": " << strerror(meeting.refused_with) << lab->daemon_log();
        EXPECT_TRUE(meeting.conversation->alive()) << host;
    }
}

// Another program holds the port of an address that comes: the gateway says so, and serves it once that one is gone.
TEST(ListenLinksOfTheProxy, AreServedOnceTheirPortIsFree) {
    const TestLab lab("services:\n  pg: {listen: [wan0:1234, wan1:1234], backends: 10.0.0.2:4321}\n");
    ASSERT_TRUE(lab);
    const lab::Host& gateway = lab->host("gateway");
    command(gateway, "ip link add wan1 type bridge && ip link set wan1 up && ip address add 10.7.0.1/32 dev lo");
    Fd holder = listen_on(gateway, at("10.7.0.1:1234"));
    command(gateway, "ip address del 10.7.0.1/32 dev lo && ip address add 10.7.0.1/32 dev wan1");
    ASSERT_TRUE(lab->daemon().wait_for_output("cannot serve 10.7.0.1:1234 (tcp): the port is in use", patience))
        << lab->daemon_log();
    const Outcome ill = outcome_of(gateway, {hairpin_binary(), "status", "--socket", lab.socket()});
    EXPECT_EQ(ill.status, 1) << ill.output;
    EXPECT_NE(ill.output.find("could not be followed"), std::string::npos) << ill.output;
    holder.reset();
    EXPECT_TRUE(lab->daemon().wait_for_output("link wan1: what listens there is now served at 10.7.0.1", patience))
        << lab->daemon_log();
    EXPECT_TRUE(connect_from(gateway, {Protocol::tcp, anywhere, at("10.7.0.1:1234")})) << strerror(errno);
    const Outcome well = outcome_of(gateway, {hairpin_binary(), "status", "--socket", lab.socket()});
    EXPECT_EQ(well.status, 0) << well.output;
}

// Another service has written out what DHCP gives the link: that one has it, at a start and a reload, too.
TEST_P(ListenLinks, GiveWayToWhatIsWrittenOut) {
    const TestLab lab(yaml, GetParam());
    ASSERT_TRUE(lab);
    const Ip second = beside(lab->plan().gateway(), "0.0.0.77");
    command(lab->host("gateway"), "ip address add " + second.str() + "/32 dev wan0");
    ASSERT_TRUE(
        lab.reload(std::string(yaml) + "  fixed: {listen: " + second.str() + ":1234, backends: 10.0.0.2:4322}\n"));
    EXPECT_TRUE(
        lab->daemon().wait_for_output("as things stand: service pg: " + second.str() + ":1234 overlaps", patience))
        << lab->daemon_log();
    const Fd server = listen_on(lab->host("server1"), at("10.0.0.2:4322"));
    const Meeting meeting = meet(lab->host("client"), {second, 1234}, {&server});
    EXPECT_TRUE(meeting.conversation) << strerror(meeting.refused_with);
    const Outcome ill = outcome_of(lab->host("gateway"), {hairpin_binary(), "status", "--socket", lab.socket()});
    EXPECT_EQ(ill.status, 1) << ill.output;
    EXPECT_NE(ill.output.find("service pg: "), std::string::npos) << ill.output;
}

// A proxy can only answer at addresses of its machine, and says how it gets this one.
TEST(ListenLinksOfTheProxy, RefusesAnAddressThatIsNotTheGatewaysOwn) {
    const TestLab lab(yaml);
    ASSERT_TRUE(lab);
    EXPECT_FALSE(lab.reload("services:\n  pg: {listen: wan0:1234, also: 203.0.113.7, backends: 10.0.0.2:4321}\n"));
    EXPECT_TRUE(lab->daemon().wait_for_output("203.0.113.7", patience));
    EXPECT_TRUE(lab.logs("ip address add"));
}

INSTANTIATE_TEST_SUITE_P(Every, ListenLinks, testing::ValuesIn(engine_names()));

}  // namespace
}  // namespace hairpin
