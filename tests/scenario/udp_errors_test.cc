// No ICMP message ends a session or a listener: RFC 4787 REQ-12.
//
//   ╭─ client ──╮    ╭─ gateway ──────────╮               ╭─ server1 ──╮
//   │ 1.0.0.100 ├────┤ 1.0.0.1   10.0.0.1 ├── switch ─┬───┤ 10.0.0.2   │  a server that comes and goes
//   ╰───────────╯    ╰────────────────────╯           │   ╭─ server2 ──╮
//                                                     ╰───┤ 10.0.0.3   │  anybody, who sends ICMP errors
#include <netinet/ip_icmp.h>

#include "support/packet.h"
#include "support/udp.h"

namespace hairpin {
namespace {

constexpr std::string_view yaml = R"(
services:
  one: {listen: "1.0.0.1:1044", backends: "10.0.0.2:2044", protocol: udp}
  other: {listen: "1.0.0.1:1045", backends: "10.0.0.3:2045", protocol: udp}
)";
const Endpoint service = at("1.0.0.1:1044");
const Endpoint backend_endpoint = at("10.0.0.2:2044");

// None can leave as one message with the one before it, so each draws an error of its own.
constexpr auto growing = {"lost", "lost 2", "lost for 3"};

// Every datagram that finds no socket on this host draws an error, not only the first few.
void answer_all(const lab::Host& host) { command(host, "echo 0 > /proc/sys/net/ipv4/icmp_ratelimit"); }

using UdpErrors = UdpTest;

// Of all hosts that may be told of an error: the gateway, or those whose packets it only translates.
uint64_t icmp_counter(const TestLab& lab, const char* name) {
    uint64_t sum = 0;
    for (const char* host : {"gateway", "client", "server1"}) sum += kernel_counter(lab->host(host), "Icmp", name);
    return sum;
}

TEST_P(UdpErrors, OfAClosedBackendDoNotEndTheSession) {
    const TestLab lab = make_lab(yaml);
    ASSERT_TRUE(lab);
    answer_all(lab->host("server1"));
    const UdpSocket client(lab->host("client"), at("1.0.0.100"));
    std::optional<UdpSocket> backend(std::in_place, lab->host("server1"), backend_endpoint);
    const Endpoint seen = exchange(client, service, *backend);
    for (int round = 0; round < 3; ++round) {
        backend.reset();
        const uint64_t before = icmp_counter(lab, "InDestUnreachs");
        for (const char* lost : growing) client.send(service, lost);
        ASSERT_TRUE(wait_for([&] { return icmp_counter(lab, "InDestUnreachs") >= before + 3; }))
            << "one was lost to the error before it";
        backend.emplace(lab->host("server1"), backend_endpoint);
        EXPECT_EQ(exchange(client, service, *backend, "the first after the pause").str(), seen.str());
    }
    const ServiceStats stats = lab.stats("one");
    EXPECT_EQ(stats.accepted_on(Path::external), 1u);
    if (GetParam() != "proxy") return;  // ICMP errors of other engines go to the client
    EXPECT_GE(stats.refused_for(Refusal::backend), 3u) << "one a round at least: errors that come at once are one";
    EXPECT_TRUE(lab.logs("backend 10.0.0.2:2044: Connection refused"));
}

TEST_P(UdpErrors, OfABurstDoNotEndTheSession) {
    const TestLab lab = make_lab(yaml);
    ASSERT_TRUE(lab);
    answer_all(lab->host("server1"));
    const UdpSocket client(lab->host("client"), at("1.0.0.100"));
    std::optional<UdpSocket> backend(std::in_place, lab->host("server1"), backend_endpoint);
    const Endpoint seen = exchange(client, service, *backend);
    backend.reset();
    const uint64_t before = icmp_counter(lab, "InDestUnreachs");
    lab.freeze();
    for (size_t i = 0; i < 60; ++i) client.send(service, noise(i < 40 ? 1000 : i));
    lab.thaw();
    ASSERT_TRUE(wait_for([&] { return icmp_counter(lab, "InDestUnreachs") >= before + 2; }));
    backend.emplace(lab->host("server1"), backend_endpoint);
    EXPECT_EQ(exchange(client, service, *backend, "the first after the burst").str(), seen.str());
    if (GetParam() != "proxy") return;
    EXPECT_GE(lab.stats("one").refused_for(Refusal::backend), 1u);
    EXPECT_TRUE(lab.logs("backend 10.0.0.2:2044: Connection refused"));
}

// A backend that does not answer ARP, on a gateway that keeps much for it: the session's socket is full in the end.
TEST_P(UdpErrors, OfAFullSocketAreCountedAndDoNotEndTheSession) {
    if (GetParam() != "proxy") GTEST_SKIP() << "gap: " << GetParam() << " has no sockets that could be full";
    const TestLab lab = make_lab(yaml);
    ASSERT_TRUE(lab);
    const UdpSocket client(lab->host("client"), at("1.0.0.100"));
    const UdpSocket backend(lab->host("server1"), backend_endpoint);
    const Endpoint seen = exchange(client, service, backend);
    command(lab->host("gateway"), "echo 100000000 > /proc/sys/net/ipv4/neigh/int/unres_qlen_bytes");
    command(lab->host("server1"), "ip link set eth0 arp off");
    command(lab->host("gateway"), "ip neigh flush dev int");
    EXPECT_TRUE(wait_for([&] {
        client.send(service, noise(60'000));
        return lab.stats("one").refused_for(Refusal::memory) > 0;
    }));
    EXPECT_TRUE(lab.logs("were dropped: they come faster"));

    command(lab->host("server1"), "ip link set eth0 arp on");
    std::optional<Datagram> asked;
    EXPECT_TRUE(wait_for([&] {
        client.send(service, "are you back?");
        while ((asked = backend.receive(std::chrono::milliseconds(10))) && asked->payload != "are you back?") {
        }
        return asked.has_value();
    }));
    ASSERT_TRUE(asked);
    EXPECT_EQ(asked->from, seen);
}

TEST_P(UdpErrors, OfAClientThatIsGoneDoNotEndTheListener) {
    const TestLab lab = make_lab(yaml);
    ASSERT_TRUE(lab);
    answer_all(lab->host("client"));
    const UdpSocket backend(lab->host("server1"), backend_endpoint);
    std::optional<UdpSocket> gone(std::in_place, lab->host("client"), at("1.0.0.100:5555"));
    const UdpSocket stays(lab->host("client"), at("1.0.0.100"));
    const Endpoint seen = exchange(*gone, service, backend);
    const Endpoint stays_seen = exchange(stays, service, backend);
    gone.reset();
    const uint64_t before = icmp_counter(lab, "InDestUnreachs");
    for (const char* lost : growing) backend.send(seen, lost);
    ASSERT_TRUE(wait_for([&] { return icmp_counter(lab, "InDestUnreachs") >= before + 3; }));
    EXPECT_EQ(exchange(stays, service, backend).str(), stays_seen.str());
    const UdpSocket back(lab->host("client"), at("1.0.0.100:5555"));
    EXPECT_EQ(exchange(back, service, backend).str(), seen.str()) << "the session outlived its client's socket";
}

// REQ-12a: wherever they come from.
TEST_P(UdpErrors, OfEveryKindDoNotEndTheSession) {
    const TestLab lab = make_lab(yaml);
    ASSERT_TRUE(lab);
    const UdpSocket client(lab->host("client"), at("1.0.0.100"));
    const UdpSocket backend(lab->host("server1"), backend_endpoint);
    const Endpoint seen = exchange(client, service, backend);
    const auto kinds = std::to_array<std::pair<uint8_t, uint8_t>>({{ICMP_DEST_UNREACH, ICMP_NET_UNREACH},
                                                                   {ICMP_DEST_UNREACH, ICMP_HOST_UNREACH},
                                                                   {ICMP_DEST_UNREACH, ICMP_PROT_UNREACH},
                                                                   {ICMP_DEST_UNREACH, ICMP_PORT_UNREACH},
                                                                   {ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED},
                                                                   {ICMP_DEST_UNREACH, ICMP_PKT_FILTERED},
                                                                   {ICMP_TIME_EXCEEDED, ICMP_EXC_TTL},
                                                                   {ICMP_PARAMETERPROB, 0}});
    for (const char* sender : {"10.0.0.2", "10.0.0.3"}) {
        for (const auto& [type, code] : kinds) {
            SCOPED_TRACE(testing::Message() << "type " << int{type} << " code " << int{code} << " from " << sender);
            const uint64_t before = icmp_counter(lab, "InMsgs");
            const uint64_t wrong_before = icmp_counter(lab, "InErrors");
            // The daemon comes to the datagram first, and meets the error when it sends that on.
            lab.freeze();
            client.send(service, "in the way of an error");
            const uint32_t mtu = type == ICMP_DEST_UNREACH && code == ICMP_FRAG_NEEDED ? 600 : 0;
            const IcmpError error{type, code, mtu, read_packet(udp_packet(seen, backend_endpoint, ""))};
            send_packet(host_with(lab, at(sender)), icmp_packet(at(sender).ip, seen.ip, error));
            ASSERT_TRUE(wait_for([&] { return icmp_counter(lab, "InMsgs") > before; }));
            ASSERT_EQ(icmp_counter(lab, "InErrors"), wrong_before) << "the test's own mistake";
            lab.thaw();
            ASSERT_EQ(backend.receive(), (Datagram{seen, "in the way of an error"}));
            EXPECT_EQ(exchange(client, service, backend, noise(1472)).str(), seen.str());
        }
    }
}

// RFC 7857 7.1: that nobody listens is no sign of life, however often it is said.
TEST_P(UdpErrors, DoNotProlongASession) {
    const TestLab lab = make_lab(R"(
services:
  brief: {listen: "1.0.0.1:1044", backends: "10.0.0.2:2044", protocol: udp, idle_timeout: 1s}
)");
    ASSERT_TRUE(lab);
    const UdpSocket client(lab->host("client"), at("1.0.0.100"));
    const UdpSocket backend(lab->host("server1"), backend_endpoint);
    const Endpoint seen = exchange(client, service, backend);
    ASSERT_EQ(lab.stats("brief").accepted_on(Path::external), 1u);
    const IcmpError error{ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0, read_packet(udp_packet(seen, backend_endpoint, ""))};
    EXPECT_TRUE(wait_for([&] {
        send_packet(lab->host("server1"), icmp_packet(backend_endpoint.ip, seen.ip, error));
        return lab.stats("brief").active == 0;
    }));
}

INSTANTIATE_TEST_SUITE_P(Every, UdpErrors, testing::ValuesIn(engine_names()));

}  // namespace
}  // namespace hairpin
