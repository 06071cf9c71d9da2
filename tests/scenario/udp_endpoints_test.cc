// Who asks an endpoint is answered from it, and by nobody but the backend: several addresses, ports and liars.
//
//                        ╭─ gateway ─────────────╮               ╭─ server1 ──╮
//   ╭─ client ──────╮    │ 1.0.0.1      10.0.0.1 ├── switch ─┬───┤ 10.0.0.2   │
//   │ 1.0.0.100     ├────┤ 1.0.0.2       fd00::1 │           │   │ fd00::2    │
//   │ 2001:db8::100 │    │ 2001:db8::1           │           │   ╭─ server2 ──╮
//   ╰───────────────╯    │ 2001:db8::2           │           ╰───┤ 10.0.0.3   │
//                        ╰───────────────────────╯               │ fd00::3    │
#include <net/if.h>
#include <netinet/in.h>

#include "support/udp.h"

namespace hairpin {
namespace {

using UdpEndpoints = UdpTest;

TEST_P(UdpEndpoints, ReplyFromTheAddressThatWasAsked) {
    const TestLab lab = make_lab(R"(
services:
  v4: {listen: ["1.0.0.1:1044", "1.0.0.2:1044"], backends: "10.0.0.2:2044", protocol: udp}
  v6: {listen: ["[2001:db8::1]:1066", "[2001:db8::2]:1066"], backends: "[fd00::2]:2066", protocol: udp}
)");
    ASSERT_TRUE(lab);
    const UdpSocket client4(lab->host("client"), at("1.0.0.100"));
    const UdpSocket backend4(lab->host("server1"), at("10.0.0.2:2044"));
    for (const auto* asked : {"1.0.0.2:1044", "1.0.0.1:1044", "1.0.0.2:1044"}) exchange(client4, at(asked), backend4);
    const UdpSocket client6(lab->host("client"), at("2001:db8::100"));
    const UdpSocket backend6(lab->host("server2"), at("[fd00::2]:2066"));
    for (const auto* asked : {"[2001:db8::2]:1066", "[2001:db8::1]:1066"}) exchange(client6, at(asked), backend6);
}

// The fixed services are there to give the gateway its addresses. One thread, so that order can be relied on.
constexpr std::string_view wildcards = R"(
threads: 1
services:
  fixed4: {listen: ["1.0.0.1:9", "1.0.0.2:9"], backends: "10.0.0.3:9", protocol: udp}
  fixed6: {listen: ["[2001:db8::1]:9", "[2001:db8::2]:9"], backends: "[fd00::3]:9", protocol: udp}
  any4: {listen: "0.0.0.0:1044", backends: "10.0.0.2:2044", protocol: udp}
  any6: {listen: "[::]:1066", backends: "[fd00::2]:2066", protocol: udp}
)";

TEST_P(UdpEndpoints, OfAllAddressesReplyFromTheOneThatWasAsked) {
    const TestLab lab = make_lab(wildcards);
    ASSERT_TRUE(lab);
    const UdpSocket backend4(host_with(lab, at("10.0.0.2")), at("10.0.0.2:2044"));
    const UdpSocket backend6(host_with(lab, at("fd00::2")), at("[fd00::2]:2066"));
    const UdpSocket client4(lab->host("client"), at("1.0.0.100"));
    const UdpSocket client6(lab->host("client"), at("2001:db8::100"));
    const UdpSocket inside4(host_with(lab, at("10.0.0.3")), at("10.0.0.3"));
    const UdpSocket inside6(host_with(lab, at("fd00::3")), at("fd00::3"));
    const UdpSocket self4(host_with(lab, at("10.0.0.2")), at("10.0.0.2"));
    // The session's source address is the endpoint's too: RFC 4787 REQ-9a.
    const auto seen = [&](const UdpSocket& client, const Endpoint& asked) {
        const bool external = &client == &client4 || &client == &client6;
        return (external && keeps_clients() ? client.local() : asked).ip.str();
    };
    for (const UdpSocket* client : {&client4, &inside4, &self4}) {
        for (const auto* asked : {"1.0.0.1:1044", "1.0.0.2:1044", "10.0.0.1:1044"}) {
            EXPECT_EQ(exchange(*client, at(asked), backend4).ip.str(), seen(*client, at(asked)));
        }
    }
    for (const UdpSocket* client : {&client6, &inside6}) {
        for (const auto* asked : {"[2001:db8::1]:1066", "[2001:db8::2]:1066", "[fd00::1]:1066"}) {
            EXPECT_EQ(exchange(*client, at(asked), backend6).ip.str(), seen(*client, at(asked)));
        }
    }
}

TEST_P(UdpEndpoints, OfAllAddressesDoNotServeBroadcastOrMulticast) {
    const TestLab lab = make_lab(wildcards);
    ASSERT_TRUE(lab);
    const UdpSocket backend4(host_with(lab, at("10.0.0.2")), at("10.0.0.2:2044"));
    const UdpSocket client4(lab->host("client"), at("1.0.0.100"));
    const int yes = 1;
    ASSERT_EQ(setsockopt(client4.fd(), SOL_SOCKET, SO_BROADCAST, &yes, sizeof yes), 0);
    for (const auto* all : {"1.0.0.255:1044", "255.255.255.255:1044", "224.0.0.1:1044"}) client4.send(at(all), "all");
    exchange(client4, at("1.0.0.1:1044"), backend4);
    EXPECT_TRUE(backend4.is_empty());
    const ServiceStats stats = lab.stats("any4");
    EXPECT_EQ(stats.active, 1u);
    EXPECT_EQ(stats.accepted_on(Path::external), 1u);

    const UdpSocket backend6(host_with(lab, at("fd00::2")), at("[fd00::2]:2066"));
    const UdpSocket client6(lab->host("client"), at("2001:db8::100"));
    const int link = lab->host("client").run([] { return static_cast<int>(if_nametoindex("eth0")); });
    ASSERT_EQ(setsockopt(client6.fd(), IPPROTO_IPV6, IPV6_MULTICAST_IF, &link, sizeof link), 0);
    client6.send(at("[ff02::1]:1066"), "all");
    exchange(client6, at("[2001:db8::1]:1066"), backend6);
    EXPECT_TRUE(backend6.is_empty());
    EXPECT_EQ(lab.stats("any6").active, 1u);
}

constexpr std::string_view one = R"(
services:
  one: {listen: "1.0.0.1:1044", backends: "10.0.0.2:2044", protocol: udp}
  other: {listen: "1.0.0.1:1045", backends: "10.0.0.3:2045", protocol: udp}
)";

// Asked by a peer, whose address no engine keeps: others could only lie to the gateway.
TEST_P(UdpEndpoints, AreAnsweredByNobodyButTheBackend) {
    const TestLab lab = make_lab(one);
    ASSERT_TRUE(lab);
    const UdpSocket client(lab->host("server2"), at("10.0.0.3"));
    const UdpSocket backend(lab->host("server1"), at("10.0.0.2:2044"));
    const UdpSocket other_port(lab->host("server1"), at("10.0.0.2:2045"));
    const UdpSocket other_host(lab->host("server2"), at("10.0.0.3:2044"));
    const UdpSocket outsider(lab->host("client"), at("1.0.0.100:2044"));
    const Endpoint seen = exchange(client, at("1.0.0.1:1044"), backend);
    uint64_t one_answer = 0;  // the counter may follow the bytes by a moment
    EXPECT_TRUE(wait_for([&] { return (one_answer = lab.stats("one").bytes_to_clients) > 0; }));
    for (const UdpSocket* liar : {&other_port, &other_host, &outsider}) liar->send(seen, "a lie");
    exchange(client, at("1.0.0.1:1044"), backend);
    EXPECT_TRUE(client.is_empty());
    EXPECT_TRUE(wait_for([&] { return lab.stats("one").bytes_to_clients == 2 * one_answer; }));
}

TEST_P(UdpEndpoints, OfARangeKeepTheirDistanceFromItsStart) {
    const TestLab lab = make_lab(R"(
services:
  range: {listen: "1.0.0.1:20000-20999", backends: "10.0.0.2:30000-30999", protocol: udp}
)");
    ASSERT_TRUE(lab);
    const UdpSocket client(lab->host("client"), at("1.0.0.100"));
    const Ip external = at("1.0.0.1").ip;
    for (const uint16_t offset : std::to_array<uint16_t>({0, 1, 500, 999})) {
        const UdpSocket backend(lab->host("server1"), {at("10.0.0.2").ip, static_cast<uint16_t>(30000 + offset)});
        exchange(client, {external, static_cast<uint16_t>(20000 + offset)}, backend);
    }
    for (const auto* beyond : {"1.0.0.1:19999", "1.0.0.1:21000"}) {
        const Fd socket = connect_from(lab->host("client"), {Protocol::udp, at("1.0.0.100"), at(beyond)});
        ASSERT_TRUE(socket);
        send(socket.get(), "x", 1, 0);
        char byte;
        EXPECT_EQ(recv(socket.get(), &byte, 1, 0), -1);
        EXPECT_EQ(errno, ECONNREFUSED) << beyond;
    }
}

// RFC 7857 sections 5 and 6: the ports of one protocol say nothing of those of the other.
TEST_P(UdpEndpoints, OfOneProtocolDoNotServeTheOther) {
    const TestLab lab = make_lab(R"(
services:
  stream: {listen: "1.0.0.1:1001", backends: "10.0.0.2:2001", protocol: tcp}
  datagrams: {listen: "1.0.0.1:1002", backends: "10.0.0.2:2002", protocol: udp}
)");
    ASSERT_TRUE(lab);
    const UdpSocket unasked(lab->host("server1"), at("10.0.0.2:2001"));
    const Fd socket = connect_from(lab->host("client"), {Protocol::udp, at("1.0.0.100"), at("1.0.0.1:1001")});
    ASSERT_TRUE(socket);
    send(socket.get(), "x", 1, 0);
    char byte;
    EXPECT_EQ(recv(socket.get(), &byte, 1, 0), -1);
    EXPECT_EQ(errno, ECONNREFUSED);
    EXPECT_TRUE(unasked.is_empty());

    EXPECT_FALSE(connect_from(lab->host("client"), {Protocol::tcp, at("1.0.0.100"), at("1.0.0.1:1002")}));
    EXPECT_EQ(errno, ECONNREFUSED);
}

INSTANTIATE_TEST_SUITE_P(Every, UdpEndpoints, testing::ValuesIn(engine_names()));

}  // namespace
}  // namespace hairpin
