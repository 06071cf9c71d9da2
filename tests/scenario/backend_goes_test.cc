// A backend leaves the configuration: UDP, which has nobody else to tell a client of it, moves to another one with the
// next datagram; TCP stays where it is.
//
//   client or peer ──── gateway 1.0.0.1:1044 ──┬── server1 10.0.0.2  leaves
//                                              ╰── server2 10.0.0.3
#include "support/tcp.h"
#include "support/udp.h"

namespace hairpin {
namespace {

using BackendGoes = UdpTest;

TEST_P(BackendGoes, UdpMovesAtOnceAndTcpStays) {
    constexpr std::string_view with_both = R"(
services:
  srv: {listen: 1.0.0.1:1044, backends: [10.0.0.2:2044, 10.0.0.3:2044], protocol: both}
)";
    constexpr std::string_view with_second = R"(
services:
  srv: {listen: 1.0.0.1:1044, backends: [10.0.0.3:2044], protocol: both}
)";
    const TestLab lab = make_lab(with_both);
    ASSERT_TRUE(lab);
    const Endpoint service = at("1.0.0.1:1044");
    const Endpoint ends[] = {at("10.0.0.2:2044"), at("10.0.0.3:2044")};
    const UdpSocket first(lab->host("server1"), ends[0]);
    const UdpSocket second(lab->host("server2"), ends[1]);
    const Fd first_server = listen_on(lab->host("server1"), ends[0]);
    const Fd second_server = listen_on(lab->host("server2"), ends[1]);
    for (const auto& [host, address] : {std::pair("client", "1.0.0.100"), std::pair("peer", "10.0.0.50")}) {
        SCOPED_TRACE(host);
        ASSERT_TRUE(lab.reload(with_both));
        std::vector<std::unique_ptr<UdpSocket>> clients;
        std::vector<Conversation> connections;
        for (int i = 0; i < 4; ++i) {  // half of them with each
            clients.push_back(std::make_unique<UdpSocket>(lab->host(host), at(address)));
            clients.back()->send(service, "before");
        }
        for (int i = 0; i < 2; ++i) {
            ASSERT_TRUE(first.receive());
            ASSERT_TRUE(second.receive());
        }
        for (int i = 0; i < 4; ++i) {
            Meeting meeting = meet(lab->host(host), service, {&first_server, &second_server});
            ASSERT_TRUE(meeting.conversation);
            connections.push_back(*std::move(meeting.conversation));
        }
        ASSERT_TRUE(lab.reload(with_second));
        for (const auto& client : clients) {
            exchange(*client, service, second, "after");
        }
        EXPECT_TRUE(first.is_empty());
        for (const Conversation& connection : connections) EXPECT_TRUE(connection.alive());
    }
}

INSTANTIATE_TEST_SUITE_P(Every, BackendGoes, testing::ValuesIn(engine_names()));

}  // namespace
}  // namespace hairpin
