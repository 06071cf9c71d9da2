// A datagram arrives as it was sent: whatever its size, in order, its boundaries kept, however it was fragmented.
//
//   ╭─ client ──────╮    ╭─ gateway ────────────╮               ╭─ server1 ──╮
//   │ 1.0.0.100     ├────┤ 1.0.0.1     10.0.0.1 ├── switch ─┬───┤ 10.0.0.2   │
//   │ 2001:db8::100 │    │ 2001:db8::1  fd00::1 │           │   ╭─ server2 ──╮
//   ╰───────────────╯    ╰──────────────────────╯           ├───┤ fd00::2    │
//                                                           │   ╭─ peer ─────╮
//                                                           ╰───┤ 10.0.0.50  │
//                                                               │ fd00::50   │
#include <set>
#include <span>

#include "support/packet.h"
#include "support/udp.h"

namespace hairpin {
namespace {

constexpr std::string_view yaml = R"(
services:
  v4: {listen: "1.0.0.1:1044", backends: "10.0.0.2:2044", protocol: udp}
  v6: {listen: "[2001:db8::1]:1066", backends: "[fd00::2]:2066", protocol: udp}
  v4_to_v6: {listen: "1.0.0.1:1046", backends: "[fd00::2]:2046", protocol: udp}
  v6_to_v4: {listen: "[2001:db8::1]:1064", backends: "10.0.0.2:2064", protocol: udp}
)";

struct Route {
    const char* what;
    const char* client_host;
    const char* client;
    const char* service;
    const char* server_host;
    const char* backend;
};
constexpr Route external_v4{"external v4", "client", "1.0.0.100", "1.0.0.1:1044", "server1", "10.0.0.2:2044"};
constexpr Route peer_v4{"peer v4", "peer", "10.0.0.50", "1.0.0.1:1044", "server1", "10.0.0.2:2044"};
constexpr Route self_v4{"self v4", "server1", "10.0.0.2", "1.0.0.1:1044", "server1", "10.0.0.2:2044"};
constexpr Route local_v4{"local v4", "gateway", "1.0.0.1", "1.0.0.1:1044", "server1", "10.0.0.2:2044"};
constexpr Route external_v6{"external v6",        "client",  "2001:db8::100",
                            "[2001:db8::1]:1066", "server2", "[fd00::2]:2066"};
constexpr Route peer_v6{"peer v6", "peer", "fd00::50", "[2001:db8::1]:1066", "server2", "[fd00::2]:2066"};
constexpr Route local_v6{"local v6", "gateway", "2001:db8::1", "[2001:db8::1]:1066", "server2", "[fd00::2]:2066"};
constexpr Route v4_to_v6{"v4 to v6", "client", "1.0.0.100", "1.0.0.1:1046", "server2", "[fd00::2]:2046"};
constexpr Route v6_to_v4{"v6 to v4", "client", "2001:db8::100", "[2001:db8::1]:1064", "server1", "10.0.0.2:2064"};

void exchange_all(const TestLab& lab, const Route& route, std::span<const size_t> sizes) {
    SCOPED_TRACE(route.what);
    const UdpSocket client(lab->host(route.client_host), at(route.client));
    const UdpSocket backend(lab->host(route.server_host), at(route.backend));
    for (const size_t size : sizes) {
        SCOPED_TRACE(size);
        exchange(client, at(route.service), backend, noise(size));
    }
    EXPECT_TRUE(client.is_empty());
    EXPECT_TRUE(backend.is_empty());
}

// 1472 fills an Ethernet frame, 1473 is the first that is fragmented.
constexpr auto any_size = std::to_array<size_t>({0, 1, 1472, 1473, 9000, largest_over_v4});

using UdpDatagrams = UdpTest;

TEST_P(UdpDatagrams, OfAnySizeArriveUnchangedOnEveryPath) {
    const TestLab lab = make_lab(yaml);
    ASSERT_TRUE(lab);
    for (const Route& route : {external_v4, peer_v4, self_v4, local_v4, external_v6, peer_v6}) {
        exchange_all(lab, route, any_size);
    }
    if (!is_bpf(GetParam())) exchange_all(lab, local_v6, any_size);  // a gap: fragments
    if (joins_families()) {
        for (const Route& route : {v4_to_v6, v6_to_v4}) exchange_all(lab, route, any_size);
    }
    constexpr std::array<size_t, 1> only_v6{largest_over_v6};
    exchange_all(lab, external_v6, only_v6);
}

TEST_P(UdpDatagrams, ThatTheOtherFamilyCannotCarryAreDroppedAndCounted) {
    if (!joins_families()) GTEST_SKIP() << "gap: " << GetParam() << " cannot join IPv4 and IPv6";
    const TestLab lab = make_lab(yaml);
    ASSERT_TRUE(lab);
    {
        const UdpSocket client(lab->host("client"), at(v6_to_v4.client));
        const UdpSocket backend(lab->host("server1"), at(v6_to_v4.backend));
        client.send(at(v6_to_v4.service), noise(largest_over_v4 + 1));
        exchange(client, at(v6_to_v4.service), backend, "the next one");  // and nothing before it
        EXPECT_EQ(lab.stats("v6_to_v4").refused_for(Refusal::oversize), 1u);
    }
    const UdpSocket client(lab->host("client"), at(v4_to_v6.client));
    const UdpSocket backend(lab->host("server2"), at(v4_to_v6.backend));
    const Endpoint seen = exchange(client, at(v4_to_v6.service), backend);
    backend.send(seen, noise(largest_over_v4 + 1));
    exchange(client, at(v4_to_v6.service), backend, "the next one");
    EXPECT_EQ(lab.stats("v4_to_v6").refused_for(Refusal::oversize), 1u);
}

TEST_P(UdpDatagrams, OfABurstKeepTheirOrderAndBoundaries) {
    const TestLab lab = make_lab(yaml);
    ASSERT_TRUE(lab);
    const UdpSocket client(lab->host("client"), at(external_v4.client));
    const UdpSocket backend(lab->host("server1"), at(external_v4.backend));
    const Endpoint seen = exchange(client, at(external_v4.service), backend);
    constexpr uint32_t total = 1000;
    constexpr uint32_t window = 100;  // a default receive buffer holds more than 200 small datagrams
    for (uint32_t first = 0; first < total; first += window) {
        std::vector<std::string> all;
        for (uint32_t i = first; i < first + window; ++i) all.push_back(std::to_string(i) + " " + noise(i % 97, i));
        for (const std::string& payload : all) client.send(at(external_v4.service), payload);
        expect_all(backend, seen, all, keeps_order());
        for (const std::string& payload : all) backend.send(seen, payload);
        expect_all(client, at(external_v4.service), all, keeps_order());
    }
    EXPECT_EQ(lab.stats("v4").accepted_on(Path::external), 1u);
    EXPECT_TRUE(wait_for([&] {  // a counter may follow the bytes that it counts by a moment
        const ServiceStats stats = lab.stats("v4");
        return stats.bytes_to_backends > 0 && stats.bytes_to_backends == stats.bytes_to_clients;
    }));
}

// RFC 4787 REQ-13.
TEST_P(UdpDatagrams, CrossLinksWithASmallerMtu) {
    if (GetParam() != "proxy") GTEST_SKIP() << "the client itself learns the path's MTU";
    const TestLab lab = make_lab(yaml);
    ASSERT_TRUE(lab);
    command(lab->host("gateway"),
            "ip route add 10.0.0.2 dev int mtu 1300 && ip route add fd00::2 dev int mtu 1300 && "
            "ip route add 1.0.0.100 dev ext mtu 1280 && ip route add 2001:db8::100 dev ext mtu 1280");
    for (const Route& route : {external_v4, peer_v4, external_v6, peer_v6}) exchange_all(lab, route, any_size);
}

// REQ-13a: ICMP's "fragmentation needed" would end here, and the client's host would never hear of it.
TEST_P(UdpDatagrams, MayBeFragmentedOnTheirWay) {
    if (GetParam() != "proxy") GTEST_SKIP() << "the packet stays the client's, and so does its right to be fragmented";
    const TestLab lab = make_lab(yaml);
    ASSERT_TRUE(lab);
    const Capture at_server(lab->host("server1"));
    const Capture at_client(lab->host("client"));
    const UdpSocket client(lab->host("client"), at(external_v4.client));
    const UdpSocket backend(lab->host("server1"), at(external_v4.backend));
    exchange(client, at(external_v4.service), backend, noise(1000));
    for (const auto& [capture, to] : {std::pair(&at_server, &backend), std::pair(&at_client, &client)}) {
        const auto packet = capture->next([&](const Packet& p) { return p.to == to->local(); });
        ASSERT_TRUE(packet);
        EXPECT_FALSE(packet->dont_fragment);
    }
}

// RFC 4787 REQ-14.
TEST_P(UdpDatagrams, ComeWholeFromFragmentsInAnyOrder) {
    const TestLab lab = make_lab(yaml);
    ASSERT_TRUE(lab);
    const std::vector<size_t> orders[] = {{0, 1, 2}, {2, 1, 0}, {1, 1, 2, 0}, {2, 2, 0, 0, 1, 1}, {1, 0, 2}};
    const std::string question = noise(2900, 1);
    const std::string answer = noise(2900, 2);
    uint16_t id = 4711;
    const auto send_in_pieces = [&](const char* host, const UdpSocket& from, const Endpoint& to, const std::string& all,
                                    const std::vector<size_t>& order) {
        const auto pieces = fragments_of(udp_packet(from.local(), to, all), 1000, id++);
        for (const size_t index : order) send_packet(lab->host(host), pieces.at(index));
    };
    for (const Route& route : {external_v4, peer_v4, self_v4, external_v6, peer_v6}) {
        SCOPED_TRACE(route.what);
        const UdpSocket client(lab->host(route.client_host), at(route.client));
        const UdpSocket backend(lab->host(route.server_host), at(route.backend));
        for (const std::vector<size_t>& order : orders) {
            SCOPED_TRACE(testing::PrintToString(order));
            send_in_pieces(route.client_host, client, at(route.service), question, order);
            const auto asked = backend.receive();
            ASSERT_TRUE(asked);
            EXPECT_EQ(asked->payload, question);
            send_in_pieces(route.server_host, backend, asked->from, answer, order);
            EXPECT_EQ(client.receive(), (Datagram{at(route.service), answer}));
        }
        EXPECT_TRUE(backend.is_empty());
        EXPECT_TRUE(client.is_empty());
    }
}

// RFC 7857 section 10: hosts that share an address on the way to the backend do not share their counters of datagrams.
TEST_P(UdpDatagrams, OfTwoClientsWithTheSameIdAreNotMixed) {
    const TestLab lab = make_lab(yaml);
    ASSERT_TRUE(lab);
    const UdpSocket backend(lab->host("server1"), at("10.0.0.2:2044"));
    const auto pieces_of = [&](const char* client, uint32_t seed) {
        return fragments_of(udp_packet({at(client).ip, 5555}, at("1.0.0.1:1044"), noise(2900, seed)), 1000, 4711);
    };
    const auto peers = pieces_of("10.0.0.50", 1);
    const auto own = pieces_of("10.0.0.2", 2);
    for (size_t i = 0; i < peers.size(); ++i) {
        send_packet(lab->host("peer"), peers[i]);
        send_packet(lab->host("server1"), own[i]);
    }
    std::set<std::string> came;
    for (int i = 0; i < 2; ++i) came.insert(backend.receive().value_or(Datagram{}).payload);
    EXPECT_EQ(came, (std::set{noise(2900, 1), noise(2900, 2)}));
}

// RFC 4787 REQ-14a: who puts fragments together holds a bounded number of them, and for a bounded time.
TEST_P(UdpDatagrams, PassAFloodOfFragments) {
    const TestLab lab = make_lab(yaml);
    ASSERT_TRUE(lab);
    const UdpSocket client(lab->host("client"), at(external_v4.client));
    const UdpSocket backend(lab->host("server1"), at(external_v4.backend));
    const Endpoint seen = exchange(client, at(external_v4.service), backend);
    const std::string whole = udp_packet({at("1.0.0.100").ip, 5555}, at(external_v4.service), noise(2900));
    const PacketSender sender(lab->host("client"), Family::v4);
    const auto flood = [&](size_t piece, size_t size) {
        for (uint16_t id = 1; id <= 20'000; ++id) sender.send(fragments_of(whole, 1000, id).at(piece));
        EXPECT_EQ(exchange(client, at(external_v4.service), backend, noise(size)).str(), seen.str());
    };
    // A kernel that is full of them puts no others together for a while.
    flood(1, is_bpf(GetParam()) ? 2900 : 1400);
    flood(0, 1400);
}

INSTANTIATE_TEST_SUITE_P(Every, UdpDatagrams, testing::ValuesIn(engine_names()));

}  // namespace
}  // namespace hairpin
