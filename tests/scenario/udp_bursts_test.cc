// Datagrams that come faster than they are sent on leave as they came: each as it was, and in order, although many
// travel as one through the gateway's kernel.
//
//   ╭─ client ──────╮    ╭─ gateway ────────────╮               ╭─ server1 ──╮
//   │ 1.0.0.100     ├────┤ 1.0.0.1     10.0.0.1 ├── switch ─┬───┤ 10.0.0.2   │
//   │ 2001:db8::100 │    │ 2001:db8::1  fd00::1 │           │   ╭─ server2 ──╮
//   ╰───────────────╯    ╰──────────────────────╯           ╰───┤ fd00::2    │
#include <numeric>

#include "lab/proxy_header.h"
#include "support/joined.h"

namespace hairpin {
namespace {

constexpr std::string_view yaml = R"(
services:
  v4: {listen: "1.0.0.1:1044", backends: "10.0.0.2:2044", protocol: udp}
  v6: {listen: "[2001:db8::1]:1066", backends: "[fd00::2]:2066", protocol: udp}
  any4: {listen: "0.0.0.0:1144", backends: "10.0.0.2:2144", protocol: udp}
  any6: {listen: "[::]:1166", backends: "[fd00::2]:2166", protocol: udp}
)";

using Sizes = std::vector<size_t>;
const std::vector<Sizes> bursts = {
    Sizes(20, 64),
    Sizes(100, 64),  // more than one message takes
    Sizes(30, 1200),
    Sizes(20, 1472),       // fills an Ethernet frame
    Sizes(10, 2000),       // fragmented, each of them
    {64, 64, 64, 10, 64},  // a smaller one ends a message
    {64, 64, 65, 65, 64},  //
    {0, 0, 64, 0, 64, 64, 0},
    {64, 64, 1600, 64, 64, 1600, 1600, 64},
    {30'000, 30'000, 30'000, 1},
};

std::vector<std::string> payloads(const Sizes& sizes) {
    std::vector<std::string> made;
    made.reserve(sizes.size());
    for (const size_t size : sizes) made.push_back(noise(size, static_cast<uint32_t>(made.size())));
    return made;
}

// All that is sent while the daemon stands still is one batch to it.
void send_at_once(const TestLab& lab, const UdpSocket& from, const Endpoint& to, const std::vector<std::string>& all) {
    lab.freeze();
    for (const std::string& payload : all) from.send(to, payload);
    lab.thaw();
}

using UdpBursts = UdpTest;

TEST_P(UdpBursts, OfAnySizesPassUnchangedBothWays) {
    const TestLab lab = make_lab(yaml);
    ASSERT_TRUE(lab);
    const auto exchange_all = [&](const char* name, const char* client_ip, const char* service, const char* server,
                                  const char* backend_endpoint) {
        SCOPED_TRACE(name);
        const UdpSocket client(lab->host("client"), at(client_ip));
        const UdpSocket backend(lab->host(server), at(backend_endpoint));
        const Endpoint seen = exchange(client, at(service), backend, "");
        size_t total = 0;
        for (const Sizes& sizes : bursts) {
            SCOPED_TRACE(testing::PrintToString(sizes));
            const auto all = payloads(sizes);
            send_at_once(lab, client, at(service), all);
            expect_all(backend, seen, all, keeps_order());
            send_at_once(lab, backend, seen, all);
            expect_all(client, at(service), all, keeps_order());
            total += std::accumulate(sizes.begin(), sizes.end(), size_t{0});
        }
        EXPECT_TRUE(client.is_empty());
        EXPECT_TRUE(backend.is_empty());
        if (GetParam() != "proxy") return;  // others count headers, too
        EXPECT_TRUE(wait_for([&] { return lab.stats(name).bytes_to_clients >= total; }));
        EXPECT_EQ(lab.stats(name).bytes_to_backends, total);
        EXPECT_EQ(lab.stats(name).bytes_to_clients, total);
    };
    exchange_all("v4", "1.0.0.100", "1.0.0.1:1044", "server1", "10.0.0.2:2044");
    exchange_all("v6", "2001:db8::100", "[2001:db8::1]:1066", "server2", "[fd00::2]:2066");
    exchange_all("any4", "1.0.0.100", "1.0.0.1:1144", "server1", "10.0.0.2:2144");
    exchange_all("any6", "2001:db8::100", "[2001:db8::1]:1166", "server2", "[fd00::2]:2166");
}

TEST_P(UdpBursts, LeaveAsOneMessage) {
    if (GetParam() != "proxy") GTEST_SKIP() << GetParam() << " sends nothing itself";
    const TestLab lab = make_lab(yaml);
    ASSERT_TRUE(lab);
    const UdpSocket client(lab->host("client"), at("1.0.0.100"));
    const UdpSocket backend(lab->host("server1"), at("10.0.0.2:2044"));
    const Endpoint seen = exchange(client, at("1.0.0.1:1044"), backend);
    const auto sent = [&] { return kernel_counter(lab->host("gateway"), "Udp", "OutDatagrams"); };
    const auto all = payloads(Sizes(40, 1000));
    const uint64_t before = sent();
    send_at_once(lab, client, at("1.0.0.1:1044"), all);
    expect_all(backend, seen, all);
    EXPECT_TRUE(wait_for([&] { return sent() > before; })) << "it counts what has left";
    EXPECT_EQ(sent(), before + 1);
    // How many are received at once grows with what comes.
    send_at_once(lab, backend, seen, all);
    expect_all(client, at("1.0.0.1:1044"), all);
    EXPECT_LT(sent(), before + 10);
}

TEST_P(UdpBursts, OfManySessionsReachEachItsClient) {
    const TestLab lab = make_lab(yaml);
    ASSERT_TRUE(lab);
    const UdpSocket backend(lab->host("server1"), at("10.0.0.2:2044"));
    std::vector<UdpSocket> clients;
    std::vector<Endpoint> seen;
    for (int i = 0; i < 100; ++i) {
        clients.emplace_back(lab->host("client"), at("1.0.0.100"));
        seen.push_back(exchange(clients.back(), at("1.0.0.1:1044"), backend));
    }
    lab.freeze();
    for (int round = 0; round < 2; ++round) {
        for (size_t i = 0; i < clients.size(); ++i) backend.send(seen[i], std::to_string(round) + noise(i));
    }
    lab.thaw();
    for (size_t i = 0; i < clients.size(); ++i) {
        expect_all(clients[i], at("1.0.0.1:1044"), {"0" + noise(i), "1" + noise(i)}, keeps_order());
        EXPECT_TRUE(clients[i].is_empty());
    }
}

TEST_P(UdpBursts, ThatComeJoinedPassAsSingleDatagrams) {
    const TestLab lab = make_lab(yaml);
    ASSERT_TRUE(lab);
    const auto exchange_joined = [&](const char* client_ip, const char* service, const char* server,
                                     const char* backend_endpoint) {
        SCOPED_TRACE(service);
        const UdpSocket client(lab->host("client"), at(client_ip));
        const UdpSocket backend(lab->host(server), at(backend_endpoint));
        const Endpoint seen = exchange(client, at(service), backend);
        const std::string bytes = noise(1000 * 20 + 17);
        std::vector<std::string> all;
        for (size_t i = 0; i < bytes.size(); i += 1000) all.push_back(bytes.substr(i, 1000));
        send_joined(client, at(service), bytes, 1000);
        expect_all(backend, seen, all, keeps_order());
        send_joined(backend, seen, bytes, 1000);
        expect_all(client, at(service), all, keeps_order());
    };
    exchange_joined("1.0.0.100", "1.0.0.1:1044", "server1", "10.0.0.2:2044");
    exchange_joined("2001:db8::100", "[2001:db8::1]:1066", "server2", "[fd00::2]:2066");
    exchange_joined("1.0.0.100", "1.0.0.1:1144", "server1", "10.0.0.2:2144");
    exchange_joined("2001:db8::100", "[2001:db8::1]:1166", "server2", "[fd00::2]:2166");
}

INSTANTIATE_TEST_SUITE_P(Every, UdpBursts, testing::ValuesIn(engine_names()));

std::string header_v2(const Endpoint& source, const Endpoint& destination) {
    return lab::write_proxy_header(ProxyHeader::v2, Protocol::udp, source, destination);
}

TEST(UdpProxyProtocolBursts, HaveAHeaderInEachDatagram) {
    const TestLab lab(R"(
services:
  v4: {listen: "1.0.0.1:1044", backends: "10.0.0.2:2044", protocol: udp, proxy_protocol: {send: v2}}
)",
                      "proxy", TestLab::Backends::none);
    ASSERT_TRUE(lab);
    const UdpSocket client(lab->host("client"), at("1.0.0.100"));
    const UdpSocket backend(lab->host("server1"), at("10.0.0.2:2044"));
    client.send(at("1.0.0.1:1044"), "");
    const auto first = backend.receive();
    ASSERT_TRUE(first);
    for (const Sizes& sizes : bursts) {
        SCOPED_TRACE(testing::PrintToString(sizes));
        auto all = payloads(sizes);
        send_at_once(lab, client, at("1.0.0.1:1044"), all);
        for (std::string& payload : all) payload.insert(0, header_v2(client.local(), at("1.0.0.1:1044")));
        expect_all(backend, first->from, all);
    }
}

TEST(UdpProxyProtocolBursts, ThatComeJoinedAreToldApartByTheirHeaders) {
    const TestLab lab(R"(
services:
  v4: {listen: "1.0.0.1:1044", backends: "10.0.0.2:2044", protocol: udp, proxy_protocol: {accept_from: 1.0.0.100}}
)",
                      "proxy", TestLab::Backends::none);
    ASSERT_TRUE(lab);
    const UdpSocket upstream(lab->host("client"), at("1.0.0.100"));
    const UdpSocket backend(lab->host("server1"), at("10.0.0.2:2044"));
    const std::string one = header_v2(at("198.51.100.1:4000"), at("192.0.2.1:53"));
    const std::string two = header_v2(at("198.51.100.2:4000"), at("192.0.2.1:53"));
    const size_t size = one.size() + 3;
    send_joined(upstream, at("1.0.0.1:1044"), one + "one" + two + "two" + one + "1", static_cast<uint16_t>(size));
    std::vector<Datagram> came;
    came.reserve(3);
    for (int i = 0; i < 3; ++i) came.push_back(backend.receive().value_or(Datagram{}));
    EXPECT_EQ(came[0].payload, "one");
    EXPECT_EQ(came[1].payload, "two");
    EXPECT_EQ(came[2].payload, "1");
    EXPECT_EQ(came[0].from, came[2].from);
    EXPECT_NE(came[0].from, came[1].from);
}

}  // namespace
}  // namespace hairpin
