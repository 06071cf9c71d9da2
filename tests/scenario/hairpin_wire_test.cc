// Servers that talk through the gateway do not meet on the wire: neither sees a packet of the other one's, nor one that
// speaks of it.
//
//   server1 10.0.0.2, server2 10.0.0.3, server3 fd00::2, server4 fd00::3 ──── switch ──── gateway
//     each captures what arrives                                               1.0.0.1, 2001:db8::1
#include <algorithm>

#include "support/packet.h"
#include "support/tcp.h"
#include "support/udp.h"

namespace hairpin {
namespace {

constexpr std::string_view yaml = R"(
services:
  first4: {listen: "1.0.0.1:1001", backends: "10.0.0.2:2001", protocol: both}
  second4: {listen: "1.0.0.1:1002", backends: "10.0.0.3:2002", protocol: both}
  first6: {listen: "[2001:db8::1]:1001", backends: "[fd00::2]:2001", protocol: both}
  second6: {listen: "[2001:db8::1]:1002", backends: "[fd00::3]:2002", protocol: both}
)";

// What came before the marker; of ICMP only errors, for neighbours do discover each other.
std::vector<Packet> arrived(const Capture& capture, std::string_view marker) {
    auto packets = capture.until([&](const Packet& p) { return p.payload() == marker; });
    std::erase_if(packets, [](const Packet& p) {
        return p.protocol != IPPROTO_TCP && p.protocol != IPPROTO_UDP && !icmp_error_in(p);
    });
    return packets;
}

void expect_all_from(const std::vector<Packet>& packets, const Ip& external) {
    EXPECT_GE(packets.size(), 3u) << "a datagram, a handshake and data";
    for (const Packet& packet : packets) {
        EXPECT_EQ(packet.from.ip.str(), external.str()) << "to " << packet.to.str();
        EXPECT_FALSE(icmp_error_in(packet)) << "about " << icmp_error_in(packet)->quoted.to.str();
    }
}

class HairpinWire : public testing::TestWithParam<std::string> {};

TEST_P(HairpinWire, CarriesNothingFromServerToServer) {
    const TestLab lab(yaml, GetParam(), TestLab::Backends::none);
    ASSERT_TRUE(lab);
    for (const auto& [from, service, backend] :
         {std::tuple(at("10.0.0.2"), at("1.0.0.1:1002"), at("10.0.0.3:2002")),
          std::tuple(at("10.0.0.2"), at("1.0.0.1:1001"), at("10.0.0.2:2001")),
          std::tuple(at("fd00::2"), at("[2001:db8::1]:1002"), at("[fd00::3]:2002")),
          std::tuple(at("fd00::2"), at("[2001:db8::1]:1001"), at("[fd00::2]:2001"))}) {
        SCOPED_TRACE(testing::Message() << from.ip.str() << " asks " << service.str() << " of " << backend.str());
        const lab::Host& client_host = host_with(lab, from);
        const lab::Host& backend_host = host_with(lab, backend);
        const UdpSocket client(client_host, from);
        const UdpSocket server(backend_host, backend);
        const Fd listener = listen_on(backend_host, backend);
        const Capture at_client(client_host);
        const Capture at_backend(backend_host);
        exchange(client, service, server);
        const Meeting meeting = meet(client_host, service, {&listener});
        ASSERT_TRUE(meeting.conversation) << strerror(meeting.refused_with);
        EXPECT_TRUE(meeting.conversation->alive());
        exchange(client, service, server, "marker");
        expect_all_from(arrived(at_backend, "marker"), service.ip);
        expect_all_from(arrived(at_client, "rekram"), service.ip);
    }
}

INSTANTIATE_TEST_SUITE_P(Every, HairpinWire, testing::ValuesIn(engine_names()));

}  // namespace
}  // namespace hairpin
