// What stands around a gateway and is none of its doing: the kernel's own source check, backends that use another
// router, payloads that speak of addresses.
//
//   client ──── gateway 1.0.0.1, 10.0.0.1 ──── switch ──┬── server1 10.0.0.2
//                                                       ├── server2 fd00::2
//                                                       ╰── peer
#include <netinet/ip_icmp.h>

#include "lab/prober.h"
#include "support/packet.h"
#include "support/places.h"
#include "support/tcp.h"
#include "support/udp.h"

namespace hairpin {
namespace {

constexpr std::pair<const char*, const char*> inside_and_outside[] = {{"client", "1.0.0.100"},
                                                                      {"routed", "10.0.1.100"},
                                                                      {"peer", "10.0.0.50"},
                                                                      {"server1", "10.0.0.2"},
                                                                      {"gateway", "1.0.0.1"}};

class Surroundings : public testing::TestWithParam<std::string> {};

// 0 is off, 1 strict, 2 loose; the larger of a link's and of "all" counts. Wherever the packets come by, no host takes
// one for a martian.
TEST_P(Surroundings, TheKernelsSourceCheckIsInNobodysWay) {
    const TestLab lab(one_service_a_family, GetParam());
    ASSERT_TRUE(lab);
    for (const int mode : {1, 2}) {
        for (const lab::HostPlan& host : lab->plan().hosts) {
            command(lab->host(host.name),
                    "for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo " + std::to_string(mode) + " > $f; done");
        }
        for (const auto& [host, address] : inside_and_outside) {
            for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
                const auto answer =
                    lab::ask(lab->host(host), {protocol, at(address), at("1.0.0.1:1044")}, ProxyHeader::none, patience);
                EXPECT_TRUE(answer) << host << ", rp_filter " << mode << ": " << answer.error().message;
            }
        }
    }
    for (const lab::HostPlan& host : lab->plan().hosts) {
        EXPECT_EQ(kernel_counter(lab->host(host.name), "TcpExt", "IPReversePathFilter"), 0u) << host.name;
    }
}

// With arp_ignore 1 the gateway answers for 1.0.0.1 on the outside only; nobody inside asks there for it.
TEST_P(Surroundings, AGatewayMayAnswerArpOnTheRightLinkOnly) {
    const TestLab lab(one_service_a_family, GetParam());
    ASSERT_TRUE(lab);
    command(lab->host("gateway"), "echo 1 > /proc/sys/net/ipv4/conf/all/arp_ignore; ip neigh flush all");
    for (const auto& [host, address] : inside_and_outside) {
        command(lab->host(host), "ip neigh flush all");
        const auto answer =
            lab::ask(lab->host(host), {Protocol::udp, at(address), at("1.0.0.1:1044")}, ProxyHeader::none, patience);
        EXPECT_TRUE(answer) << host << ": " << answer.error().message;
    }
}

// The reply to any address but one beside it would go to the other router: the gateway's address that faces the backend
// is the way out.
TEST_P(Surroundings, ABackendOfAnotherRouterIsServedWithSourceGateway) {
    const TestLab lab(R"(
services:
  v4: {listen: "1.0.0.1:1044", backends: "10.0.0.2:2044", protocol: both, source: gateway}
  v6: {listen: "[2001:db8::1]:1066", backends: "[fd00::2]:2066", protocol: both, source: gateway}
)",
                      GetParam());
    ASSERT_TRUE(lab);
    // The peer plays the other router; it forwards nothing.
    command(lab->host("server1"), "ip route replace default via 10.0.0.50");
    command(lab->host("server2"), "ip -6 route del default && ip -6 route add default via fd00::50");
    for (const auto& [host, from, service, seen] :
         {std::tuple("client", "1.0.0.100", "1.0.0.1:1044", "10.0.0.1"),
          std::tuple("routed", "10.0.1.100", "1.0.0.1:1044", "10.0.0.1"),
          std::tuple("peer", "10.0.0.50", "1.0.0.1:1044", "10.0.0.1"),
          std::tuple("gateway", "1.0.0.1", "1.0.0.1:1044", "10.0.0.1"),
          std::tuple("client", "2001:db8::100", "[2001:db8::1]:1066", "fd00::1"),
          std::tuple("peer", "fd00::50", "[2001:db8::1]:1066", "fd00::1")}) {
        for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
            const auto answer =
                lab::ask(lab->host(host), {protocol, at(from), at(service)}, ProxyHeader::none, patience);
            EXPECT_EQ(answer ? answer->greeting.leg.source.ip.str() : answer.error().message, seen)
                << host << " over " << name(protocol);
        }
    }
}

// The proxy ends what it carries, and lets nothing pass by.
TEST(SurroundingsOfTheProxy, TheKernelNeedNotForward) {
    const TestLab lab(one_service_a_family, "proxy");
    ASSERT_TRUE(lab);
    command(lab->host("gateway"), "sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0");
    for (const auto& [host, from, service] :
         {std::tuple("client", "1.0.0.100", "1.0.0.1:1044"), std::tuple("routed", "10.0.1.100", "1.0.0.1:1044"),
          std::tuple("peer", "10.0.0.50", "1.0.0.1:1044"), std::tuple("server1", "10.0.0.2", "1.0.0.1:1044"),
          std::tuple("gateway", "1.0.0.1", "1.0.0.1:1044"), std::tuple("client", "2001:db8::100", "[2001:db8::1]:1066"),
          std::tuple("peer", "fd00::50", "[2001:db8::1]:1066"),
          std::tuple("server2", "fd00::2", "[2001:db8::1]:1066")}) {
        for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
            const auto answer =
                lab::ask(lab->host(host), {protocol, at(from), at(service)}, ProxyHeader::none, patience);
            EXPECT_EQ(answer ? answer->greeting.leg.source.ip.str() : answer.error().message, at(service).ip.str())
                << host << " over " << name(protocol);
        }
    }
}

// RFC 5508 REQ-1, for the address of the service: the gateway itself answers, whoever asks.
TEST_P(Surroundings, TheExternalAddressAnswersPings) {
    const TestLab lab(one_service_a_family, GetParam());
    ASSERT_TRUE(lab);
    const Ip external = at("1.0.0.1").ip;
    for (const auto& [host, address] : inside_and_outside) {
        const Capture capture(lab->host(host));
        IcmpError request{ICMP_ECHO, 0, 47'110'815, {}};  // built like an error
        request.quoted.bytes = "ping";
        send_packet(lab->host(host), icmp_packet(at(address).ip, external, request));
        const auto reply =
            capture.next([](const Packet& p) { return p.protocol == IPPROTO_ICMP && p.content[0] == ICMP_ECHOREPLY; });
        ASSERT_TRUE(reply) << host;
        EXPECT_EQ(reply->from.ip, external) << host;
        EXPECT_EQ(reply->to.ip.str(), address) << host;
        EXPECT_TRUE(reply->content.ends_with("ping")) << host;
    }
}

// One leg for all: the gateway forwards out of the link where it was asked.
//
//   gateway 10.0.0.1:1044 ──── switch ──┬── server1 10.0.0.2
//                                       ╰── peer
TEST_P(Surroundings, AGatewayMayStandOnOneLegOnly) {
    const TestLab lab(R"(
services:
  v4: {listen: "10.0.0.1:1044", backends: "10.0.0.2:2044", protocol: both}
  v6: {listen: "[fd00::1]:1066", backends: "[fd00::2]:2066", protocol: both}
)",
                      GetParam());
    ASSERT_TRUE(lab);
    for (const auto& [host, from, service] :
         {std::tuple("peer", "10.0.0.50", "10.0.0.1:1044"), std::tuple("server1", "10.0.0.2", "10.0.0.1:1044"),
          std::tuple("gateway", "10.0.0.1", "10.0.0.1:1044"), std::tuple("peer", "fd00::50", "[fd00::1]:1066"),
          std::tuple("server2", "fd00::2", "[fd00::1]:1066"), std::tuple("gateway", "fd00::1", "[fd00::1]:1066")}) {
        for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
            const auto answer =
                lab::ask(lab->host(host), {protocol, at(from), at(service)}, ProxyHeader::none, patience);
            EXPECT_EQ(answer ? answer->greeting.leg.source.ip.str() : answer.error().message, at(service).ip.str())
                << host << " over " << name(protocol);
        }
        EXPECT_EQ(kernel_counter(lab->host(host), "Icmp", "InRedirects"), 0u) << host;
        EXPECT_EQ(kernel_counter(lab->host(host), "Icmp6", "InRedirects"), 0u) << host;
    }
}

// RFC 4787 REQ-10, RFC 5382 REQ-6: no application is "helped". On the ports where helpers would look.
TEST_P(Surroundings, PayloadsThatSpeakOfAddressesPassUnchanged) {
    const TestLab lab(R"(
services:
  ftp: {listen: "1.0.0.1:21", backends: "10.0.0.2:21", protocol: tcp}
  sip: {listen: "1.0.0.1:5060", backends: "10.0.0.2:5060", protocol: both}
)",
                      GetParam(), TestLab::Backends::none);
    ASSERT_TRUE(lab);
    const std::string sip =
        "INVITE sip:bob@1.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.50:5060\r\nContact: "
        "<sip:alice@10.0.0.50:5060>\r\n\r\n"
        "v=0\r\nc=IN IP4 10.0.0.50\r\nm=audio 49170 RTP/AVP 0\r\n";
    const std::string ftp = "PORT 10,0,0,50,156,64\r\nEPRT |1|10.0.0.50|40000|\r\n";
    const std::string ftp_answer = "227 Entering Passive Mode (10,0,0,2,156,65)\r\n";
    const UdpSocket sip_server(lab->host("server1"), at("10.0.0.2:5060"));
    const Fd sip_stream = listen_on(lab->host("server1"), at("10.0.0.2:5060"));
    const Fd ftp_server = listen_on(lab->host("server1"), at("10.0.0.2:21"));
    for (const auto& [host, address] : {std::pair("client", "1.0.0.100"), std::pair("peer", "10.0.0.50")}) {
        SCOPED_TRACE(host);
        const UdpSocket client(lab->host(host), at(address));
        exchange(client, at("1.0.0.1:5060"), sip_server, sip);
        for (const auto& [service, server, question, answer] : {std::tuple("1.0.0.1:21", &ftp_server, ftp, ftp_answer),
                                                                std::tuple("1.0.0.1:5060", &sip_stream, sip, sip)}) {
            const Meeting meeting = meet(lab->host(host), at(service), {server});
            ASSERT_TRUE(meeting.conversation);
            EXPECT_TRUE(send_all(meeting.conversation->client, question));
            EXPECT_EQ(receive(meeting.conversation->backend, question.size()), question);
            EXPECT_TRUE(send_all(meeting.conversation->backend, answer));
            EXPECT_EQ(receive(meeting.conversation->client, answer.size()), answer);
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Every, Surroundings, testing::ValuesIn(engine_names()));

}  // namespace
}  // namespace hairpin
