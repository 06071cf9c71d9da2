// Ports of translated sources: few of them, many flows, and two at once. RFC 5508 REQ-8, RFC 6888 REQ-11, RFC 4787
// REQ-11.
//
//                    ╭─ gateway ─────────────────────────────────╮
//   peer ────────────┤ 1.0.0.1: of its ports few or many are     ├──── server1 10.0.0.2
//   server1, itself ─┤ free to be those of a source              │
//                    ╰───────────────────────────────────────────╯
#include <array>
#include <barrier>
#include <cstdlib>
#include <future>
#include <map>
#include <set>

#include "support/few_ports.h"
#include "support/packet.h"
#include "support/tcp.h"
#include "support/udp.h"

namespace hairpin {
namespace {

constexpr std::string_view two_servers = R"(
services:
  srv: {listen: "1.0.0.1:80", backends: "10.0.0.2:8080", protocol: both}
  other: {listen: "1.0.0.1:81", backends: "10.0.0.3:8081", protocol: both}
)";
const Endpoint service = at("1.0.0.1:80");
const Endpoint backend_endpoint = at("10.0.0.2:8080");

std::unique_ptr<UdpSocket> socket_of(const TestLab& lab, const char* host, const char* address) {
    return std::make_unique<UdpSocket>(lab->host(host), at(address));
}

class SourcePorts : public testing::TestWithParam<std::string> {};

// Whoever comes too late takes no port from those who have one; what they are told is in without_ports_test.
TEST_P(SourcePorts, WithoutAFreeOneNewFlowsAreDroppedAndLiveOnesGoOn) {
    const TestLab lab = lab_with_ports(4, two_servers, GetParam());
    ASSERT_TRUE(lab);
    const UdpSocket backend(lab->host("server1"), backend_endpoint);
    std::vector<std::unique_ptr<UdpSocket>> clients;
    std::set<uint16_t> seen;
    for (int i = 0; i < 4; ++i) {
        clients.push_back(socket_of(lab, i % 2 == 0 ? "server2" : "server1", i % 2 == 0 ? "10.0.0.3" : "10.0.0.2"));
        const Endpoint source = exchange(*clients.back(), service, backend);
        EXPECT_EQ(source.ip.str(), "1.0.0.1");
        seen.insert(source.port);
    }
    EXPECT_EQ(seen, (std::set<uint16_t>{65532, 65533, 65534, 65535}));

    const auto late = socket_of(lab, "server2", "10.0.0.3");
    for (int i = 0; i < 3; ++i) late->send(service, "too late");
    for (const auto& client : clients) exchange(*client, service, backend);
    EXPECT_TRUE(backend.is_empty()) << "the late ones would have been before";
    const UdpSocket outside(lab->host("client"), at("1.0.0.100"));
    EXPECT_EQ(exchange(outside, service, backend).str(), outside.local().str()) << "these need no port of ours";
}

// RFC 6191: a connection that has ended does not make the next one through its port wait. (Where its server ended it
// and remembers it yet, for a minute, the next one may wait a second: the server's own TCP finds its timestamps too
// old.)
TEST_P(SourcePorts, AThousandShortConnectionsThroughFewDoNotStall) {
    const TestLab lab = lab_with_ports(32, two_servers, GetParam());
    ASSERT_TRUE(lab);
    const Fd server = listen_on(lab->host("server1"), backend_endpoint);
    const auto sent_again = [&] {
        uint64_t sum = 0;
        for (const char* host : {"server1", "server2"})
            sum += kernel_counter(lab->host(host), "TcpExt", "TCPSynRetrans");
        return sum;
    };
    for (int i = 0; i < 1000; ++i) {
        const Meeting meeting = meet(lab->host(i % 2 == 0 ? "server2" : "server1"), service, {&server});
        ASSERT_TRUE(meeting.conversation) << "connection " << i << ": " << strerror(meeting.refused_with);
        ASSERT_TRUE(meeting.conversation->alive());
        const auto& [client, server_end] = *meeting.conversation;
        finish(client);
        ASSERT_EQ(receive_to_end(server_end).error, 0);
        finish(server_end);
        ASSERT_EQ(receive_to_end(client).error, 0);
        ASSERT_EQ(sent_again(), 0u) << "SYNs, for connection " << i;
    }
}

constexpr std::string_view usual = R"(
services:
  srv: {listen: "1.0.0.1:80", backends: "10.0.0.2:8080", protocol: both}
)";

// RFC 4787 REQ-3: also of clients that ask from the same ports. Tens of thousands are in tests/load.
TEST_P(SourcePorts, OfManyFlowsAtOnceAreKeptApart) {
    const TestLab lab(usual, GetParam(), TestLab::Backends::none);
    ASSERT_TRUE(lab);
    const UdpSocket backend(lab->host("server1"), backend_endpoint);
    struct Client {
        const lab::Host& host;
        Ip address;
        PacketSender sender;
    };
    const Client clients[] = {
        {lab->host("peer"), at("10.0.0.50").ip, {lab->host("peer"), Family::v4}},
        {lab->host("server1"), at("10.0.0.2").ip, {lab->host("server1"), Family::v4}},
    };
    std::map<Endpoint, Endpoint> client_of;
    for (uint16_t port = 20'000; port < 21'000; ++port) {
        for (const Client& client : clients) {
            const Endpoint own{client.address, port};
            client.sender.send(udp_packet(own, service, own.str()));
            const auto asked = backend.receive();
            ASSERT_TRUE(asked) << "flow " << client_of.size();
            ASSERT_EQ(asked->payload, own.str());
            ASSERT_TRUE(client_of.emplace(asked->from, own).second) << asked->from.str() << " is taken";
        }
    }
    // All of them live: each hears what is for it.
    for (const Client& client : clients) {
        const Capture capture(client.host);
        for (const auto& [source, own] : client_of) {
            if (own.ip != client.address) continue;
            backend.send(source, "for " + own.str());
            const auto heard = capture.next([&](const Packet& p) { return p.from == service; });
            ASSERT_TRUE(heard);
            ASSERT_EQ(heard->payload(), "for " + own.str());
            ASSERT_EQ(heard->to, own);
        }
    }
}

// RFC 4787 REQ-1, as far as it goes: one socket is one source port whichever service it asks, if the port is among
// those for translated sources and nobody has it.
TEST(NftSourcePorts, AClientsOwnPortIsKeptForEveryServiceWhereItIsFree) {
    const TestLab lab(two_servers, "nft", TestLab::Backends::none);
    ASSERT_TRUE(lab);
    const UdpSocket backend(lab->host("server1"), backend_endpoint);
    const UdpSocket other(lab->host("server2"), at("10.0.0.3:8081"));
    const UdpSocket first(lab->host("server2"), at("10.0.0.3:40000"));
    EXPECT_EQ(exchange(first, service, backend).str(), "1.0.0.1:40000");
    EXPECT_EQ(exchange(first, at("1.0.0.1:81"), other).str(), "1.0.0.1:40000");
    const UdpSocket second(lab->host("server1"), at("10.0.0.2:40000"));
    EXPECT_NE(exchange(second, service, backend).str(), "1.0.0.1:40000") << "REQ-3: it has an owner";
}

INSTANTIATE_TEST_SUITE_P(Of, SourcePorts, testing::ValuesIn(kernel_engine_names()));

// RFC 6056: who may not see the flow cannot tell its port from those of others.
using HiddenPorts = UdpTest;
TEST_P(HiddenPorts, AreHardToGuess) {
    const TestLab lab = make_lab(usual);
    ASSERT_TRUE(lab);
    // What the kernel gives to clients; all of that half; what it does not give to clients.
    const int first = is_bpf(GetParam()) ? 1024 : 32'768;
    const int last = GetParam() == "proxy" ? 60'999 : is_bpf(GetParam()) ? 32'767 : 65'535;
    const UdpSocket backend(lab->host("server1"), backend_endpoint);
    const PacketSender sender(lab->host("peer"), Family::v4);
    std::array<int, 8> eighths{};
    constexpr int flows = 2000;
    int neighbours = 0;
    int before = 0;
    for (uint16_t port = 10'000; port < 10'000 + flows; ++port) {
        sender.send(udp_packet({at("10.0.0.50").ip, port}, service, "question"));
        const int seen = backend.receive().value_or(Datagram{}).from.port;
        ASSERT_GE(seen, first);
        ASSERT_LE(seen, last);
        ++eighths[static_cast<size_t>((seen - first) * 8 / (last + 1 - first))];
        neighbours += std::abs(seen - before) < 16;
        before = seen;
    }
    EXPECT_LT(neighbours, flows / 100);                                 // by chance: 2000 * 31 / 28232, or 2
    for (const int share : eighths) EXPECT_NEAR(share, flows / 8, 80);  // five standard deviations and more
}

INSTANTIATE_TEST_SUITE_P(Every, HiddenPorts, testing::ValuesIn(engine_names()));

// As resolvers ask for A and AAAA: two datagrams of a new flow at the same moment, on two processors. Each is answered,
// even where the kernel finds too late that both are one flow, and has given them two ports.
using TwoFirstDatagrams = UdpTest;
TEST_P(TwoFirstDatagrams, AtOnceAreBothAnswered) {
    const TestLab lab = make_lab(usual);
    ASSERT_TRUE(lab);
    const UdpSocket backend(lab->host("server1"), backend_endpoint);
    const Capture capture(lab->host("peer"));
    constexpr uint16_t first_port = 20'000;
    constexpr int rounds = 2000;
    std::barrier start(2);
    std::barrier both_answered(2);
    const auto ask_always = [&](const char* question, const std::function<void(const Endpoint&)>& then) {
        const PacketSender sender(lab->host("peer"), Family::v4);
        for (uint16_t port = first_port; port < first_port + rounds; ++port) {
            const Endpoint client{at("10.0.0.50").ip, port};
            const std::string packet = udp_packet(client, service, question);
            start.arrive_and_wait();
            sender.send(packet);
            then(client);
            both_answered.arrive_and_wait();
        }
    };
    auto other = std::async(std::launch::async, ask_always, "AAAA", [](const Endpoint&) {});
    ask_always("A", [&](const Endpoint& client) {
        std::set<std::string> answers;
        for (int n = 0; n < 2; ++n) {
            const Datagram asked = backend.receive().value_or(Datagram{});
            backend.send(asked.from, "for " + asked.payload);
            const auto answer = capture.next([&](const Packet& p) { return p.from == service && p.to == client; });
            answers.insert(answer.value_or(Packet{}).payload());
        }
        EXPECT_EQ(answers, (std::set<std::string>{"for A", "for AAAA"})) << client.str();
    });
    other.get();
}

INSTANTIATE_TEST_SUITE_P(Every, TwoFirstDatagrams, testing::ValuesIn(engine_names()));

}  // namespace
}  // namespace hairpin
