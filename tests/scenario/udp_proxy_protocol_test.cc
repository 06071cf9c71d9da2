// PROXY protocol over UDP: the header begins every datagram, says who really asks, and is believed of listed senders.
//
//   ╭─ client ──────╮    ╭─ gateway ────────────╮               ╭─ server1 ──╮
//   │ 1.0.0.100     ├────┤ 1.0.0.1     10.0.0.1 ├── switch ─┬───┤ 10.0.0.2   │
//   │ 2001:db8::100 │    │ 2001:db8::1  fd00::1 │           │   │ fd00::2    │
//   ╰───────────────╯    ╰──────────────────────╯           │   ╭─ peer ─────╮
//                                                           ╰───┤ 10.0.0.50  │
//                                                               │ fd00::50   │
#include <sys/wait.h>

#include <cstdlib>
#include <map>

#include "lab/proxy_header.h"
#include "support/binary.h"
#include "support/udp.h"

namespace hairpin {
namespace {

TestLab make_lab(std::string_view yaml) { return TestLab(yaml, "proxy", TestLab::Backends::none); }

// Of the lab's own making: hairpin is not held against itself.
std::string header_v2(const Endpoint& source, const Endpoint& destination) {
    return lab::write_proxy_header(ProxyHeader::v2, Protocol::udp, source, destination);
}
const std::string local_header("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", 16);

constexpr std::string_view sends = R"(
services:
  v4: {listen: "1.0.0.1:1044", backends: "10.0.0.2:2044", protocol: udp, proxy_protocol: {send: v2}}
  v6: {listen: "[2001:db8::1]:1066", backends: "[fd00::2]:2066", protocol: udp, proxy_protocol: {send: v2}}
)";

// A client outside, a peer of the server, the server itself, the gateway.
constexpr const char* clients4[] = {"1.0.0.100", "10.0.0.50", "10.0.0.2", "1.0.0.1"};
constexpr const char* clients6[] = {"2001:db8::100", "fd00::50", "fd00::2", "2001:db8::1"};

TEST(UdpProxyProtocol, BeginsEveryDatagramWithTheTrueClientOnEveryPath) {
    const TestLab lab = make_lab(sends);
    ASSERT_TRUE(lab);
    const auto ask = [&](const Endpoint& from, const Endpoint& service, const Endpoint& backend_endpoint) {
        const UdpSocket backend(host_with(lab, backend_endpoint), backend_endpoint);
        const UdpSocket client(host_with(lab, from), from);
        const std::string header = header_v2(client.local(), service);
        for (const size_t size : {0u, 1u, 1472u, 9000u}) {
            SCOPED_TRACE(testing::Message() << size << " bytes from " << client.local().str());
            client.send(service, noise(size));
            const auto asked = backend.receive();
            ASSERT_TRUE(asked);
            EXPECT_EQ(asked->payload, header + noise(size));
            backend.send(asked->from, noise(size, 2));
            EXPECT_EQ(client.receive(), (Datagram{service, noise(size, 2)})) << "answers have no header";
        }
    };
    for (const char* client : clients4) ask(at(client), at("1.0.0.1:1044"), at("10.0.0.2:2044"));
    for (const char* client : clients6) ask(at(client), at("[2001:db8::1]:1066"), at("[fd00::2]:2066"));
}

TEST(UdpProxyProtocol, LeavesThatMuchLessRoomForThePayload) {
    const TestLab lab = make_lab(sends);
    ASSERT_TRUE(lab);
    const auto fill = [&](const char* name, const Endpoint& from, const Endpoint& service,
                          const Endpoint& backend_endpoint, size_t most) {
        SCOPED_TRACE(name);
        const UdpSocket backend(host_with(lab, backend_endpoint), backend_endpoint);
        const UdpSocket client(lab->host("client"), from);
        const std::string header = header_v2(client.local(), service);
        client.send(service, noise(most + 1));
        client.send(service, noise(most));
        const auto asked = backend.receive();
        ASSERT_TRUE(asked);
        EXPECT_EQ(asked->payload.size(), header.size() + most);
        EXPECT_EQ(asked->payload, header + noise(most));
        backend.send(asked->from, noise(most + 1));
        EXPECT_EQ(client.receive(), (Datagram{service, noise(most + 1)})) << "answers have no header";
        EXPECT_EQ(lab.stats(name).refused_for(Refusal::oversize), 1u);
        EXPECT_TRUE(lab.logs(std::to_string(most) + " bytes fit"));
    };
    fill("v4", at("1.0.0.100"), at("1.0.0.1:1044"), at("10.0.0.2:2044"), largest_over_v4 - 28);
    fill("v6", at("2001:db8::100"), at("[2001:db8::1]:1066"), at("[fd00::2]:2066"), largest_over_v6 - 52);
}

constexpr std::string_view accepts = R"(
services:
  v4:
    listen: 1.0.0.1:1044
    backends: 10.0.0.2:2044
    protocol: udp
    proxy_protocol: {send: v2, accept_from: 1.0.0.100}
  other: {listen: "1.0.0.1:1045", backends: "10.0.0.3:2045", protocol: udp}
)";
const Endpoint service = at("1.0.0.1:1044");
const Endpoint told_service = at("192.0.2.1:53");

TEST(UdpProxyProtocol, TellsClientsBehindOneSenderApart) {
    const TestLab lab = make_lab(accepts);
    ASSERT_TRUE(lab);
    const UdpSocket backend(lab->host("server1"), at("10.0.0.2:2044"));
    const UdpSocket upstream(lab->host("client"), at("1.0.0.100"));
    const std::string headers[] = {
        header_v2(at("198.51.100.1:4000"), told_service), header_v2(at("198.51.100.2:4000"), told_service),
        header_v2(at("198.51.100.1:4001"), told_service),
        header_v2(at("198.51.100.1:4000"), at("192.0.2.2:53")),  // the same client at another endpoint
    };
    std::map<std::string, Endpoint> seen;
    for (int round = 0; round < 2; ++round) {
        for (const std::string& header : headers) upstream.send(service, header + "from one of them");
        for (const std::string& header : headers) {
            const auto asked = backend.receive();
            ASSERT_TRUE(asked);
            EXPECT_EQ(asked->payload, header + "from one of them") << "told as it was told us, in the same order";
            const auto [known, is_new] = seen.emplace(header, asked->from);
            EXPECT_EQ(is_new, round == 0);
            EXPECT_EQ(known->second.str(), asked->from.str());
            backend.send(asked->from, "answer");
            EXPECT_EQ(upstream.receive(), (Datagram{service, "answer"}));
        }
    }
    EXPECT_EQ(lab.stats("v4").active, std::size(headers));
}

TEST(UdpProxyProtocol, WithoutAddressesStandsForTheSenderItself) {
    const TestLab lab = make_lab(accepts);
    ASSERT_TRUE(lab);
    const UdpSocket backend(lab->host("server1"), at("10.0.0.2:2044"));
    const UdpSocket upstream(lab->host("client"), at("1.0.0.100"));
    upstream.send(service, local_header + "are you well?");
    const auto asked = backend.receive();
    ASSERT_TRUE(asked);
    EXPECT_EQ(asked->payload, header_v2(upstream.local(), service) + "are you well?");
}

TEST(UdpProxyProtocol, IsRequiredOfAListedSenderInEveryDatagram) {
    const TestLab lab = make_lab(accepts);
    ASSERT_TRUE(lab);
    const UdpSocket backend(lab->host("server1"), at("10.0.0.2:2044"));
    const UdpSocket upstream(lab->host("client"), at("1.0.0.100"));
    const std::string good = header_v2(at("198.51.100.1:4000"), told_service);
    upstream.send(service, good + "first");
    std::string wrong_command = good;
    wrong_command[12] = 0x22;
    const std::string bad[] = {"", "no header", good.substr(0, 12), good.substr(0, good.size() - 1), wrong_command};
    for (const std::string& datagram : bad) upstream.send(service, datagram);
    upstream.send(service, good + "last");
    for (const auto* expected : {"first", "last"}) {
        const auto asked = backend.receive();
        ASSERT_TRUE(asked);
        EXPECT_EQ(asked->payload, good + expected);
    }
    const ServiceStats stats = lab.stats("v4");
    EXPECT_EQ(stats.refused_for(Refusal::proxy_header), std::size(bad));
    EXPECT_EQ(stats.active, 1u);
}

TEST(UdpProxyProtocol, IsNotBelievedOfAnybodyElse) {
    const TestLab lab = make_lab(accepts);
    ASSERT_TRUE(lab);
    const UdpSocket backend(lab->host("server1"), at("10.0.0.2:2044"));
    const UdpSocket stranger(lab->host("server2"), at("10.0.0.3"));
    const std::string claim = header_v2(at("198.51.100.1:4000"), told_service);
    stranger.send(service, claim + "I am somebody else");
    const auto asked = backend.receive();
    ASSERT_TRUE(asked);
    EXPECT_EQ(asked->payload, header_v2(stranger.local(), service) + claim + "I am somebody else");
}

TEST(UdpProxyProtocol, OfVersion1IsRefusedByCheck) {
    const auto check = [](const char* protocol) {
        const TemporaryFile file("services: {a: {listen: \"1.0.0.1:1044\", backends: \"10.0.0.2:2044\", protocol: " +
                                 std::string(protocol) + ", proxy_protocol: {send: v1}}}\n");
        return WEXITSTATUS(std::system((hairpin_binary() + " check " + file.path() + " > /dev/null 2>&1").c_str()));
    };
    EXPECT_EQ(check("udp"), 2);
    EXPECT_EQ(check("both"), 2);
    EXPECT_EQ(check("tcp"), 0);
}

}  // namespace
}  // namespace hairpin
