// What must not pass: forged addresses, ways around the services, forged segments; and what must not be given away.
//
//                                    ╭─ gateway ─────────────────╮               ╭─ server1 ──╮
//   ╭─ client ────────────────╮      │ 1.0.0.1         10.0.0.1  │           ╭───┤ 10.0.0.2   │  backend
//   │ 1.0.0.100               ├──────┤ 2001:db8::1     fd00::1   ├── switch ─┤   ╭─ server2 ──╮
//   │ 2001:db8::100           │      │                           │           ├───┤ fd00::2    │  backend
//   │ pretends to be 10.0.0.50│      │ rp_filter = 0             │           │   ╭─ peer ─────╮
//   ╰─────────────────────────╯      ╰───────────────────────────╯           ╰───┤ 10.0.0.50  │
//                                                                                │ fd00::50   │
#include <ostream>
#include <tuple>

#include "support/kernel_engines.h"
#include "support/packet.h"
#include "support/tcp.h"
#include "support/udp.h"

namespace hairpin {
namespace {

struct Side {
    std::string name;
    Endpoint service, backend;
    Ip client, peer;
    std::string engine = "nft";
};
void PrintTo(const Side& side, std::ostream* out) { *out << side.name; }
const Side v4{"v4", at("1.0.0.1:1044"), at("10.0.0.2:2044"), at("1.0.0.100").ip, at("10.0.0.50").ip};
const Side v6{"v6", at("[2001:db8::1]:1066"), at("[fd00::2]:2066"), at("2001:db8::100").ip, at("fd00::50").ip};

class Guards : public testing::TestWithParam<Side> {
protected:
    void SetUp() override {
        ASSERT_TRUE(lab_);
        for (const char* link : {"all", "ext", "int"}) {  // the kernel's own guard, which many gateways lack
            command(lab_->host("gateway"), "echo 0 > /proc/sys/net/ipv4/conf/" + std::string(link) + "/rp_filter");
        }
    }

    // What came to the backend's host from the client's, until a datagram that was sent behind it all.
    std::vector<Packet> arrived(const Capture& capture) {
        const UdpSocket backend(host_with(lab_, side_.backend), side_.backend);
        const UdpSocket client(lab_->host("client"), {side_.client, 0});
        exchange(client, side_.service, backend, "marker");
        auto packets = capture.until([](const Packet& packet) { return packet.payload() == "marker"; });
        std::erase_if(packets, [](const Packet& packet) {
            return packet.protocol != IPPROTO_UDP && packet.protocol != IPPROTO_TCP;
        });
        return packets;
    }

    const Side side_ = GetParam();
    const TestLab lab_{one_service_a_family, side_.engine, TestLab::Backends::none};
};

void expect_nothing(const std::vector<Packet>& packets) {
    for (const Packet& packet : packets) {
        ADD_FAILURE() << packet.from.str() << " reached " << packet.to.str() << ": " << packet.payload();
    }
}

TEST_P(Guards, AnInsideAddressFromOutsideReachesNoBackend) {
    const Capture capture(host_with(lab_, side_.backend));
    const lab::Host& outside = lab_->host("client");
    for (const Ip& forged : {side_.peer, side_.backend.ip}) {
        for (const Endpoint& to : {side_.service, side_.backend}) {
            send_packet(outside, udp_packet({forged, 5555}, to, "forged"));
            send_packet(outside, tcp_packet({forged, 5555}, to, {.sequence = 1, .syn = true}));
        }
    }
    expect_nothing(arrived(capture));
}

// Whoever guesses the port of somebody inside could put datagrams into their flow.
TEST_P(Guards, AnInsideAddressFromOutsideReachesNoLiveFlow) {
    const lab::Host& backend_host = host_with(lab_, side_.backend);
    const UdpSocket peer(lab_->host("peer"), {side_.peer, 5555});
    {
        const UdpSocket backend(backend_host, side_.backend);
        exchange(peer, side_.service, backend);
    }
    const Capture capture(backend_host);
    send_packet(lab_->host("client"), udp_packet(peer.local(), side_.service, "forged"));
    expect_nothing(arrived(capture));
}

// The client's route leads there, by way of the gateway.
using NftGuards = Guards;
TEST_P(NftGuards, ABackendIsReachedThroughItsServiceOnly) {
    const Capture capture(host_with(lab_, side_.backend));
    const lab::Host& outside = lab_->host("client");
    for (const uint16_t port : {side_.backend.port, uint16_t{9}}) {
        const Endpoint direct{side_.backend.ip, port};
        send_packet(outside, udp_packet({side_.client, 5555}, direct, "direct"));
        send_packet(outside, tcp_packet({side_.client, 5555}, direct, {.sequence = 1, .syn = true}));
    }
    expect_nothing(arrived(capture));
}

// A redirect would show the client the backend's own address, and the way around the gateway.
TEST_P(Guards, NobodyIsRedirectedWhileHairpinning) {
    const lab::Host& backend_host = host_with(lab_, side_.backend);
    const UdpSocket backend(backend_host, side_.backend);
    const Fd server = listen_on(backend_host, side_.backend);
    for (const lab::Host* host : {&lab_->host("peer"), &backend_host}) {
        const Capture capture(*host);
        const UdpSocket client(*host, {host == &backend_host ? side_.backend.ip : side_.peer, 0});
        for (int i = 0; i < 10; ++i) {
            exchange(client, side_.service, backend);
            const Meeting meeting = meet(*host, side_.service, {&server});
            ASSERT_TRUE(meeting.conversation);
            EXPECT_TRUE(meeting.conversation->alive());
        }
        exchange(client, side_.service, backend, "marker");
        for (const Packet& packet : capture.until(
                 [](const Packet& p) { return p.from.ip == GetParam().service.ip && p.payload() == "rekram"; })) {
            const bool redirect = (packet.protocol == IPPROTO_ICMP && packet.content[0] == 5) ||
                                  (packet.protocol == IPPROTO_ICMPV6 && packet.content[0] == static_cast<char>(137));
            EXPECT_FALSE(redirect) << "from " << packet.from.str();
        }
        EXPECT_EQ(kernel_counter(*host, side_.client.is_v4() ? "Icmp" : "Icmp6", "InRedirects"), 0u);
    }
}

std::vector<Side> on_each_engine() {
    std::vector<Side> all;
    for (const std::string& engine : kernel_engine_names()) {
        for (Side side : {v4, v6}) {
            side.name = engine + "_" + side.name;
            side.engine = engine;
            all.push_back(side);
        }
    }
    return all;
}
std::string name_of(const testing::TestParamInfo<Side>& info) { return info.param.name; }
INSTANTIATE_TEST_SUITE_P(Both, Guards, testing::ValuesIn(on_each_engine()), name_of);
INSTANTIATE_TEST_SUITE_P(Both, NftGuards, testing::Values(v4, v6), name_of);

// Only what is never routed on the internet is hidden: to others a gateway is a router as well.
TEST(NftGuard, ABackendWithAPublicAddressStaysReachable) {
    const TestLab lab("services: {open: {listen: 1.0.0.1:80, backends: 203.0.113.2:8080}}\n", "nft");
    ASSERT_TRUE(lab);
    for (const char* asked : {"1.0.0.1:80", "203.0.113.2:8080"}) {
        EXPECT_TRUE(dial(lab->host("client"), at(asked))) << asked << ": " << strerror(errno);
    }
}

// A flow through the service and one past it may have the same client, with the same port, and the same backend: the
// answers of the one are not those of the other.
TEST(NftGuard, AFlowThroughTheServiceDoesNotCatchOnePastIt) {
    const TestLab lab("services: {open: {listen: 1.0.0.1:80, backends: 203.0.113.2:80, protocol: udp}}\n", "nft",
                      TestLab::Backends::none);
    ASSERT_TRUE(lab);
    const UdpSocket client(lab->host("client"), at("1.0.0.100:5555"));
    const UdpSocket backend(lab->host("server1"), at("203.0.113.2:80"));
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(exchange(client, at("1.0.0.1:80"), backend).str(), "1.0.0.100:5555");
        exchange(client, at("203.0.113.2:80"), backend);
    }
}

// RFC 6888 REQ-6: to whom a client speaks past every service, it speaks as itself, whatever else it has open.
class PastTheService : public testing::TestWithParam<std::string> {};

TEST_P(PastTheService, FlowsAreLeftUntranslated) {
    const TestLab lab(R"(
services:
  v4: {listen: 1.0.0.1:80, backends: 203.0.113.2:80, protocol: both}
  v6: {listen: "[2001:db8::1]:80", backends: "[2001:db8:5::2]:80", protocol: both}
)",
                      GetParam(), TestLab::Backends::none);
    ASSERT_TRUE(lab);
    for (const auto& [client, asked, backend] :
         {std::tuple("1.0.0.100", "1.0.0.1:80", "203.0.113.2:80"),
          std::tuple("2001:db8::100", "[2001:db8::1]:80", "[2001:db8:5::2]:80")}) {
        const Endpoint service = at(asked);
        const Endpoint served = at(backend);
        const Endpoint other{served.ip, 81};
        const lab::Host& client_host = lab->host("client");
        const lab::Host& server_host = host_with(lab, served);
        const UdpSocket caller(client_host, {at(client).ip, 5555});
        const UdpSocket passer(client_host, {at(client).ip, 5556});
        const UdpSocket server(server_host, served);
        const UdpSocket bystander(server_host, other);
        const Fd listener = listen_on(server_host, served);
        for (int i = 0; i < 3; ++i) {
            EXPECT_EQ(exchange(caller, service, server), caller.local());
            EXPECT_EQ(exchange(passer, served, server), passer.local()) << "the same backend";
            EXPECT_EQ(exchange(caller, other, bystander), caller.local()) << "the same client";
            EXPECT_EQ(exchange(server, passer.local(), passer), served) << "the backend calls for its own part";
            for (const Endpoint& to : {service, served}) {
                const Meeting meeting = meet(client_host, to, {&listener});
                ASSERT_TRUE(meeting.conversation) << strerror(meeting.refused_with);
                EXPECT_TRUE(meeting.conversation->alive());
            }
        }
    }
}

INSTANTIATE_TEST_SUITE_P(On, PastTheService, testing::ValuesIn(kernel_engine_names()));

// RFC 4787 REQ-3, and the port shadow: an answer to a published port must never be taken for a datagram of somebody
// inside, nor the other way about.
//
//   ╭─ peer ───────────────────────╮      ╭─ gateway ───────────────────────────────────────────╮
//   │ calls from ports that the    │      │ publishes 1.0.0.1:40000 and 1.0.0.1:50000;          │
//   │ gateway itself uses          ├──────┤ a program listens on port 45000 of it               │
//   ╰──────────────────────────────╯      ╰─────────────────────────────────────────────────────╯
// Masquerading is not ours, and may give an inside client a published port towards outside. One that is told to spare
// these ports takes nothing from the service.
TEST(NftGuard, AMasqueradeThatSparesPublishedPortsShadowsNoService) {
    const TestLab lab("services: {srv: {listen: 1.0.0.1:1044, backends: 10.0.0.2:2044, protocol: udp}}\n", "nft",
                      TestLab::Backends::none);
    ASSERT_TRUE(lab);
    command(lab->host("gateway"),
            "nft 'table ip nat { chain post { type nat hook postrouting priority 100; oifname \"ext\" meta l4proto "
            "{ tcp, udp } masquerade to :32768-65535; }; }'");
    const UdpSocket attacker(lab->host("peer"), at("10.0.0.50:1044"));
    const UdpSocket backend(lab->host("server1"), at("10.0.0.2:2044"));
    const UdpSocket outside(lab->host("client"), at("1.0.0.100:5353"));
    attacker.send(outside.local(), "I am the service");
    const auto lured = outside.receive();
    ASSERT_TRUE(lured);
    EXPECT_EQ(lured->from.ip.str(), "1.0.0.1");
    EXPECT_NE(lured->from.port, 1044);
    exchange(outside, at("1.0.0.1:1044"), backend);
    EXPECT_TRUE(attacker.is_empty());
}

using PortShadow = UdpTest;
constexpr uint16_t taken_ports[] = {40000, 45000, 50000};

TEST_P(PortShadow, PortsInUseAreNeverThoseOfTranslatedSources) {
    const TestLab lab = make_lab(R"(
services:
  first: {listen: 1.0.0.1:40000, backends: 10.0.0.2:2000, protocol: both}
  second: {listen: 1.0.0.1:50000, backends: 10.0.0.2:3000, protocol: both}
)");
    ASSERT_TRUE(lab);
    const Endpoint first = at("1.0.0.1:40000");
    const Fd program = listen_on(lab->host("gateway"), at("0.0.0.0:45000"));
    const UdpSocket program_too(lab->host("gateway"), at("0.0.0.0:45000"));
    lab.kill_daemon();
    lab.start_daemon();  // it finds the program there
    const UdpSocket backend(lab->host("server1"), at("10.0.0.2:2000"));
    const UdpSocket other(lab->host("server1"), at("10.0.0.2:3000"));
    const UdpSocket outsider(lab->host("client"), at("1.0.0.100"));
    for (const uint16_t port : taken_ports) {
        const UdpSocket peer(lab->host("peer"), {at("10.0.0.50").ip, port});
        const Endpoint seen = exchange(peer, first, backend);
        EXPECT_EQ(seen.ip.str(), "1.0.0.1");
        for (const uint16_t taken : taken_ports) EXPECT_NE(seen.port, taken) << "called from " << port;
        // The victim of a shadow: the service, asked by the very backend that the flow leads to.
        EXPECT_EQ(exchange(outsider, first, backend).ip.str(), keeps_clients() ? "1.0.0.100" : "1.0.0.1");
        other.send(seen, "not what was asked");
        backend.send(seen, "marker");
        EXPECT_EQ(peer.receive(), (Datagram{first, "marker"}));
    }
}

// Server 1 holds its service's port number itself, and talks from it to a service that somebody else has published.
TEST_P(PortShadow, AServerThatCallsFromThePublishedPortTakesNoOneElsesDatagrams) {
    const TestLab lab = make_lab(R"(
services:
  first: {listen: 1.0.0.1:40000, backends: 10.0.0.2:40000, protocol: both}
  second: {listen: 1.0.0.1:50000, backends: 10.0.0.3:3000, protocol: both}
)");
    ASSERT_TRUE(lab);
    const UdpSocket caller(lab->host("server1"), at("10.0.0.2:40000"));
    const UdpSocket other(lab->host("server2"), at("10.0.0.3:3000"));
    const Endpoint seen = exchange(caller, at("1.0.0.1:50000"), other);
    EXPECT_NE(seen.str(), "1.0.0.1:40000") << "whoever answers it would ask the service";
    // The other server asks that service now, from the very port on which it was called.
    const Endpoint seen_back = exchange(other, at("1.0.0.1:40000"), caller);
    EXPECT_EQ(seen_back.ip.str(), "1.0.0.1");
    EXPECT_EQ(exchange(caller, at("1.0.0.1:50000"), other).str(), seen.str()) << "the first flow lives on";
}

INSTANTIATE_TEST_SUITE_P(Every, PortShadow, testing::ValuesIn(engine_names()));

}  // namespace
}  // namespace hairpin
