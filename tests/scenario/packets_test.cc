// A translated packet is the client's own but for addresses and ports: RFC 4787 REQ-10, RFC 2474, RFC 3168, RFC 1812.
//
//   client or peer ──── gateway ──── server1
#include <netinet/ip6.h>
#include <netinet/udp.h>

#include "support/kernel_engines.h"
#include "support/packet.h"
#include "support/udp.h"

namespace hairpin {
namespace {

class Packets : public testing::TestWithParam<EnginePlace> {
protected:
    void SetUp() override { ASSERT_TRUE(lab_); }

    // What arrives at the backend of a packet that the client sends.
    Packet passed(const std::string& packet) const {
        const Capture capture(host_with(lab_, at(GetParam().backend)));
        send_packet(host_with(lab_, at(GetParam().client)), packet);
        const auto came = capture.next([](const Packet& p) { return p.to == at(GetParam().backend); });
        EXPECT_TRUE(came);
        return came.value_or(Packet{});
    }

    const Endpoint client_{at(GetParam().client).ip, 40'000};
    const Endpoint service_ = at(GetParam().service);
    const TestLab lab_{one_service_a_family, GetParam().engine, TestLab::Backends::none};
};

TEST_P(Packets, KeepAllThatIsNotAnAddress) {
    const uint8_t expedited_and_congested = 0xbb;
    for (const bool dont_fragment : {true, false}) {
        const Packet came = passed(udp_packet(
            client_, service_, "payload",
            {.hop_limit = 33, .traffic_class = expedited_and_congested, .id = 4711, .dont_fragment = dont_fragment}));
        EXPECT_EQ(came.from.ip.str(), GetParam().seen);
        EXPECT_EQ(int{came.hop_limit}, 32) << "the gateway is a hop";
        EXPECT_EQ(int{came.traffic_class}, expedited_and_congested);
        EXPECT_EQ(came.payload(), "payload");
        if (!client_.ip.is_v4()) continue;
        EXPECT_EQ(came.id, 4711);
        EXPECT_EQ(came.dont_fragment, dont_fragment);
    }
}

TEST_P(Packets, KeepTheirTcpHeaders) {
    const TcpFields syn{.sequence = 4'000'000'000, .syn = true, .ecn_setup = true, .window = 12'345};
    const Packet came = passed(tcp_packet(client_, service_, syn));
    EXPECT_EQ(came.tcp().sequence, syn.sequence);
    EXPECT_EQ(came.tcp().window, syn.window);
    EXPECT_TRUE(came.tcp().syn);
    EXPECT_TRUE(came.tcp().ecn_setup);
    EXPECT_FALSE(came.tcp().acknowledged);
}

// RFC 8200 4: options on the way and at the end, and what looks like a fragment but is the whole.
using PacketsV6 = Packets;
TEST_P(PacketsV6, WithExtensionHeadersAreTranslated) {
    for (const uint8_t type : {IPPROTO_HOPOPTS, IPPROTO_DSTOPTS, IPPROTO_FRAGMENT}) {
        std::string packet = udp_packet(client_, service_, "payload");
        std::string extension(8, '\0');  // options: padding, of the kind that has a length
        extension[0] = IPPROTO_UDP;
        if (type != IPPROTO_FRAGMENT) {
            extension[2] = 1;
            extension[3] = 4;
        }
        packet.insert(sizeof(ip6_hdr), extension);
        packet[offsetof(ip6_hdr, ip6_nxt)] = static_cast<char>(type);
        packet[offsetof(ip6_hdr, ip6_plen) + 1] = static_cast<char>(packet.size() - sizeof(ip6_hdr));
        const UdpSocket backend(host_with(lab_, at(GetParam().backend)), at(GetParam().backend));
        send_packet(host_with(lab_, client_), packet);
        const auto came = backend.receive();
        ASSERT_TRUE(came) << "next header " << int{type};
        EXPECT_EQ(came->payload, "payload");
        EXPECT_EQ(came->from.ip.str(), GetParam().seen);
    }
}

// RFC 768: "no checksum" must not become a wrong one.
using PacketsV4 = Packets;  // IPv6 demands a checksum
TEST_P(PacketsV4, WithoutAChecksumStayWithout) {
    std::string packet = udp_packet(client_, service_, "payload");
    packet.replace(20 + offsetof(udphdr, check), 2, 2, '\0');
    EXPECT_EQ(passed(packet).content.substr(offsetof(udphdr, check), 2), std::string(2, '\0'));
}

INSTANTIATE_TEST_SUITE_P(Every, Packets,
                         testing::ValuesIn(on_kernel_engines({external_v4, peer_v4, external_v6, peer_v6})),
                         name_of_engine_place);
INSTANTIATE_TEST_SUITE_P(Every, PacketsV6, testing::ValuesIn(on_kernel_engines({external_v6, peer_v6})),
                         name_of_engine_place);
INSTANTIATE_TEST_SUITE_P(Every, PacketsV4, testing::ValuesIn(on_kernel_engines({external_v4, peer_v4})),
                         name_of_engine_place);

}  // namespace
}  // namespace hairpin
