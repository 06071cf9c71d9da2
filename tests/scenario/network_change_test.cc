// The machine's addresses change while the gateway runs: a service on all addresses serves those that come later, as
// after a boot that was quicker than DHCP.
//
//               ╭─ gateway ───────────────────╮
//   client ─────┤ 0.0.0.0:1234 ──> 10.0.0.2   │
//               │ gains an address later       │
//               ╰─────────────────────────────╯
#include <gtest/gtest.h>

#include <cstring>

#include "support/tcp.h"
#include "support/udp.h"

namespace hairpin {
namespace {

class NetworkChange : public testing::TestWithParam<std::string> {};

TEST_P(NetworkChange, AnAddressThatComesLaterIsServed) {
    const TestLab lab("services:\n  wild: {listen: 0.0.0.0:1234, backends: 10.0.0.2:4321}\n", GetParam(),
                      TestLab::Backends::none);
    ASSERT_TRUE(lab);
    const Fd server = listen_on(lab->host("server1"), *Endpoint::parse("10.0.0.2:4321"));
    const lab::Host& client = lab->host("client");
    const auto own = lab->plan().gateway().address(Family::v4);
    ASSERT_TRUE(own);
    const Meeting before = meet(client, {*own, 1234}, {&server});
    ASSERT_TRUE(before.conversation);

    const Ip late = Prefix::of(*own, 24).with_host_of(*Ip::parse("0.0.0.77"));
    ASSERT_TRUE(lab.follows([&] { command(lab->host("gateway"), "ip address add " + late.str() + "/32 dev ext"); }));
    const Meeting after = meet(client, {late, 1234}, {&server});
    ASSERT_TRUE(after.conversation) << "refused with " << after.refused_with << "\n" << lab->daemon_log();
    EXPECT_TRUE(after.conversation->alive());
    EXPECT_TRUE(before.conversation->alive()) << "what lived before goes on";
}

// A whole network that ends on the gateway, as large sites have it: its clients were reset, for no link has the
// address.
TEST_P(NetworkChange, ALocalRouteThatComesLaterIsServed) {
    if (GetParam() != "proxy") GTEST_SKIP() << "gap: " << GetParam() << " knows a wildcard's single addresses only";
    const TestLab lab("services:\n  wild: {listen: 0.0.0.0:1234, backends: 10.0.0.2:4321}\n", GetParam(),
                      TestLab::Backends::none);
    ASSERT_TRUE(lab);
    const Fd server = listen_on(lab->host("server1"), *Endpoint::parse("10.0.0.2:4321"));
    const auto own = lab->plan().gateway().address(Family::v4);
    ASSERT_TRUE(own);
    command(lab->host("client"), "ip route add 10.9.0.0/24 via " + own->str());
    ASSERT_TRUE(lab.follows([&] { command(lab->host("gateway"), "ip route add local 10.9.0.0/24 dev lo"); }));
    const Meeting meeting = meet(lab->host("client"), *Endpoint::parse("10.9.0.77:1234"), {&server});
    ASSERT_TRUE(meeting.conversation) << "refused with " << meeting.refused_with << "\n" << lab->daemon_log();
    EXPECT_TRUE(meeting.conversation->alive());
}

// No link has it, and still it is the gateway's: as floating and anycast addresses are.
TEST_P(NetworkChange, AnAddressOnNoLinkIsServedWhereItIsNamed) {
    constexpr std::string_view yaml = "services:\n  fixed: {listen: 1.0.0.1:80, backends: 10.0.0.2:8080}\n";
    const TestLab lab(yaml, GetParam(), TestLab::Backends::none);
    ASSERT_TRUE(lab);
    const Fd server = listen_on(lab->host("server1"), at("10.0.0.2:4321"));
    command(lab->host("client"), "ip route add 10.9.0.77/32 via 1.0.0.1");
    command(lab->host("gateway"), "ip route add local 10.9.0.77/32 dev lo");
    ASSERT_TRUE(lab.reload(std::string(yaml) + "  floating: {listen: 10.9.0.77:1234, backends: 10.0.0.2:4321}\n"));
    for (const char* host : {"client", "peer", "server1", "gateway"}) {
        const Meeting meeting = meet(lab->host(host), at("10.9.0.77:1234"), {&server});
        ASSERT_TRUE(meeting.conversation) << host << ": " << strerror(meeting.refused_with) << lab->daemon_log();
        EXPECT_TRUE(meeting.conversation->alive()) << host;
    }
}

INSTANTIATE_TEST_SUITE_P(Every, NetworkChange, testing::ValuesIn(engine_names()));

}  // namespace
}  // namespace hairpin
