// How long the kernel remembers a flow: as the RFCs ask and the configuration says, and by nothing that others would
// feel. RFC 4787 REQ-5, RFC 5382 REQ-5, RFC 7857 2.1 and 2.2.
//
//   client ──── gateway ──┬── server1 10.0.0.2
//                         ╰── server2 10.0.0.3
#include <csignal>

#include "net/socket.h"
#include "support/packet.h"
#include "support/program.h"
#include "support/tcp.h"
#include "support/tracked.h"
#include "support/udp.h"

namespace hairpin {
namespace {

using std::chrono::seconds;

constexpr std::string_view yaml = R"(
services:
  v4: {listen: "1.0.0.1:1044", backends: "10.0.0.2:2044", protocol: both}
  silent: {listen: "1.0.0.1:1045", backends: "10.0.0.2:2045", tcp_idle_timeout: 1h}
  briefest: {listen: "[2001:db8::1]:1067", backends: "[fd00::2]:2067", tcp_idle_timeout: 1s}
  v6: {listen: "[2001:db8::1]:1066", backends: "[fd00::2]:2066", protocol: both}
  brief: {listen: "1.0.0.1:53", backends: "10.0.0.2:5353", protocol: udp, idle_timeout: 20s}
  long: {listen: "1.0.0.1:1194", backends: "10.0.0.2:1194", protocol: udp, idle_timeout: 2h}
)";

// A clock that has run for less than a few seconds.
void expect_about(std::optional<seconds> left, seconds whole) {
    ASSERT_TRUE(left) << "no such flow";
    EXPECT_LE(*left, whole);
    EXPECT_GE(*left, whole - seconds(5));
}

struct Asked {
    const char* service;
    const char* backend;
    const char* client;
    seconds idle;
};

TEST(NftTimeouts, OfUdpAreThoseOfTheService) {
    const TestLab lab(yaml, "nft", TestLab::Backends::none);
    ASSERT_TRUE(lab);
    for (const Asked& service : {Asked{"1.0.0.1:1044", "10.0.0.2:2044", "1.0.0.100", seconds(300)},
                                 Asked{"[2001:db8::1]:1066", "[fd00::2]:2066", "2001:db8::100", seconds(300)},
                                 Asked{"1.0.0.1:53", "10.0.0.2:5353", "1.0.0.100", seconds(20)},
                                 Asked{"1.0.0.1:1194", "10.0.0.2:1194", "1.0.0.100", seconds(7200)}}) {
        SCOPED_TRACE(service.service);
        const UdpSocket client(lab->host("client"), at(service.client));
        const UdpSocket backend(host_with(lab, at(service.backend)), at(service.backend));
        const Leg leg{Protocol::udp, client.local(), at(service.service)};
        client.send(leg.destination, "unanswered");
        const auto asked = backend.receive();
        ASSERT_TRUE(asked);
        expect_about(tracked_for(lab->host("gateway"), leg), service.idle);
        for (int i = 0; i < 3; ++i) exchange(client, leg.destination, backend);
        expect_about(tracked_for(lab->host("gateway"), leg), service.idle);
    }
}

TEST(NftTimeouts, OfTcpAreThoseOfTheService) {
    const TestLab lab(yaml, "nft", TestLab::Backends::none);
    ASSERT_TRUE(lab);
    for (const Asked& service : {Asked{"1.0.0.1:1045", "10.0.0.2:2045", "1.0.0.100", seconds(3600)},
                                 Asked{"[2001:db8::1]:1067", "[fd00::2]:2067", "2001:db8::100", seconds(600)}}) {
        SCOPED_TRACE(service.service);
        const Fd server = listen_on(host_with(lab, at(service.backend)), at(service.backend));
        const Meeting meeting = meet(lab->host("client"), at(service.service), {&server});
        ASSERT_TRUE(meeting.conversation);
        EXPECT_TRUE(meeting.conversation->alive());
        const Endpoint client = local_endpoint(meeting.conversation->client.get());
        expect_about(tracked_for(lab->host("gateway"), {Protocol::tcp, client, at(service.service)}), service.idle);
    }
}

// 2 hours and 4 minutes is the least for a connection that is established, 4 minutes for one that opens or closes.
TEST(NftTimeouts, OfTcpAreNoShorterThanTheStandardAsks) {
    const TestLab lab(yaml, "nft", TestLab::Backends::none);
    ASSERT_TRUE(lab);
    const lab::Host& gateway = lab->host("gateway");
    for (const Asked& service : {Asked{"1.0.0.1:1044", "10.0.0.2:2044", "1.0.0.100", {}},
                                 Asked{"[2001:db8::1]:1066", "[fd00::2]:2066", "2001:db8::100", {}}}) {
        SCOPED_TRACE(service.service);
        const lab::Host& client_host = lab->host("client");
        const lab::Host& backend_host = host_with(lab, at(service.backend));
        const Endpoint asked = at(service.service);
        const Capture capture(backend_host);
        const auto is_syn = [&](const Packet& p) { return p.to == at(service.backend) && p.tcp().syn; };
        const auto left = [&](uint16_t port) {
            return tracked_for(gateway, {Protocol::tcp, {at(service.client).ip, port}, asked});
        };

        // The backend's host is told to stay silent: nothing but the SYN is seen.
        command(backend_host,
                "nft 'table inet silence { chain out { type filter hook output priority 0; tcp flags & "
                "(syn|rst) != 0 drop; }; }'");
        send_packet(client_host, tcp_packet({at(service.client).ip, 5000}, asked, {.sequence = 1, .syn = true}));
        ASSERT_TRUE(capture.next(is_syn));
        expect_about(left(5000), seconds(240));
        command(backend_host, "nft delete table inet silence");

        const Fd server = listen_on(backend_host, at(service.backend));
        Meeting meeting = meet(client_host, asked, {&server});
        ASSERT_TRUE(meeting.conversation);
        auto& [client, server_end] = *meeting.conversation;
        const uint16_t port = local_endpoint(client.get()).port;
        EXPECT_TRUE(meeting.conversation->alive());
        ASSERT_TRUE(left(port));
        EXPECT_GE(*left(port), seconds(7440));
        finish(client);
        EXPECT_EQ(receive_to_end(server_end).error, 0);
        expect_about(left(port), seconds(240));  // close_wait
        finish(server_end);
        EXPECT_EQ(receive_to_end(client).error, 0);
        expect_about(left(port), seconds(240));  // time_wait

        Meeting other = meet(client_host, asked, {&server});
        ASSERT_TRUE(other.conversation);
        EXPECT_TRUE(other.conversation->alive());
        const uint16_t other_port = local_endpoint(other.conversation->client.get()).port;
        reset(std::move(other.conversation->client));
        EXPECT_EQ(receive_to_end(other.conversation->backend).error, ECONNRESET);
        expect_about(left(other_port), seconds(240));
    }
}

// Everybody else's flows go by these.
TEST(NftTimeouts, AreNobodyElses) {
    const auto settings = [](const TestLab& lab) {
        return output_of(lab->host("gateway"), {"sh", "-c",
                                                "grep -H '' /proc/sys/net/netfilter/nf_conntrack_* | "
                                                "grep -v -e nf_conntrack_count"});
    };
    const TestLab untouched(yaml, "proxy");
    const TestLab lab(yaml, "nft");
    ASSERT_TRUE(untouched && lab);
    const std::string before = settings(untouched);
    EXPECT_NE(before.find("nf_conntrack_udp_timeout:30\n"), std::string::npos) << before;
    EXPECT_EQ(settings(lab), before);
    lab->daemon().signal(SIGTERM);
    ASSERT_TRUE(lab->daemon().wait(patience));
    EXPECT_EQ(settings(lab), before);
}

}  // namespace
}  // namespace hairpin
