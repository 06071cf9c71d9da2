// What a flood from invented addresses does to those who are served: nothing.
//
//   client, and many in its name ──╮
//   peer ──────────────────────────┴── gateway 1.0.0.1:1044 ──── server 1
#include <cstring>
#include <random>

#include "support/packet.h"
#include "support/tcp_stream.h"
#include "support/udp.h"

namespace hairpin {
namespace {

constexpr std::string_view yaml = R"(
services:
  flooded: {listen: "1.0.0.1:1044", backends: "10.0.0.2:2044", protocol: both, max_sessions: 1000}
)";
const Endpoint service = at("1.0.0.1:1044");
const Endpoint backend = at("10.0.0.2:2044");
constexpr size_t most_sessions = 1000;
constexpr uint32_t total = 20'000;

// No two alike.
Endpoint invented(uint32_t number) {
    return {Ip::v4(at("198.18.0.0").ip.v4_bits() + number), static_cast<uint16_t>(1024 + number)};
}

class Flood : public testing::TestWithParam<std::string> {
protected:
    // Sends so many packets, one for each number, into two transfers.
    template <class Make>
    void send_into_transfers(const Make& packet) const {
        const Fd server = listen_on(lab_->host("server1"), backend, 128);
        std::vector<Conversation> live;
        std::vector<std::string> received;
        std::vector<std::future<bool>> sent;
        const std::string bytes = noise(4'000'000);
        for (const char* host : {"client", "peer"}) {
            Meeting meeting = meet(lab_->host(host), service, {&server});
            ASSERT_TRUE(meeting.conversation) << strerror(meeting.refused_with);
            live.push_back(*std::move(meeting.conversation));
        }
        for (const Conversation& each : live) {
            sent.push_back(sending(each.client, bytes));
            received.push_back(receive(each.backend, 1'000'000));
        }
        const PacketSender sender(lab_->host("client"), Family::v4);
        for (uint32_t i = 0; i < total; ++i) sender.send(packet(i));
        for (size_t i = 0; i < live.size(); ++i) {
            received[i] += receive(live[i].backend, 3'000'000);
            expect_same(received[i], bytes);
            EXPECT_TRUE(sent[i].get());
            EXPECT_TRUE(live[i].alive());
        }
    }

    const TestLab lab_{yaml, GetParam(), TestLab::Backends::none};
};

// Half-open connections have their bounds, in the kernel's queue or in its table.
using SynFlood = Flood;
TEST_P(SynFlood, EndsNoTransfer) {
    ASSERT_TRUE(lab_);
    send_into_transfers([](uint32_t i) { return tcp_packet(invented(i), service, {.sequence = i, .syn = true}); });
}

// Some are for the service, some for nobody, and some are no datagrams: bytes at random where UDP's header should be.
using DatagramFlood = Flood;
TEST_P(DatagramFlood, EndsNeitherTransferNorSession) {
    ASSERT_TRUE(lab_);
    const UdpSocket server(lab_->host("server1"), backend);
    std::vector<UdpSocket> clients;
    for (const auto& [host, address] : {std::pair("client", "1.0.0.100"), std::pair("peer", "10.0.0.50")}) {
        clients.emplace_back(lab_->host(host), at(address));
        exchange(clients.back(), service, server);
    }
    std::minstd_rand random(1);
    send_into_transfers([&](uint32_t i) {
        const auto port = static_cast<uint16_t>(random());
        std::string packet = udp_packet(invented(i), {service.ip, i % 4 == 0 ? port : service.port}, noise(i % 64));
        for (size_t at = 20; i % 8 == 1 && at < 28; ++at) packet[at] = static_cast<char>(random());
        return packet;
    });
    for (const UdpSocket& client : clients) {
        EXPECT_TRUE(wait_for([&] {
            client.send(service, "still here?");
            while (const auto asked = server.receive(std::chrono::milliseconds(100))) {
                if (asked->payload != "still here?") continue;
                server.send(asked->from, "still here");
                return client.receive() == Datagram{service, "still here"};
            }
            return false;
        }));
    }
    const ServiceStats stats = lab_.stats("flooded");
    EXPECT_GE(stats.active, most_sessions) << "a flood that opens nothing is none";
    if (GetParam() != "proxy") return;  // `max_sessions` means nothing to the kernel
    EXPECT_LE(stats.active, most_sessions + 2) << "the transfers, too";
    EXPECT_GT(stats.refused_for(Refusal::sessions), 0u);
}

INSTANTIATE_TEST_SUITE_P(Every, SynFlood, testing::ValuesIn(engine_names()));
INSTANTIATE_TEST_SUITE_P(Every, DatagramFlood, testing::ValuesIn(engine_names()));

}  // namespace
}  // namespace hairpin
