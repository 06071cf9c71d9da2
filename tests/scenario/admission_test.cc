// Whom `allow` and `deny` let in: by the address that a client calls from, on every path, whichever engine carries it.
//
//   ╭─ client ──────╮    ╭─ gateway ────────────╮               ╭─ server1, 2 ── 10.0.0.2, fd00::2
//   │ 1.0.0.100     ├────┤ 1.0.0.1     10.0.0.1 ├── switch ─────┤
//   │ 2001:db8::100 │    │ 2001:db8::1  fd00::1 │               ╰─ peer ──────── 10.0.0.50, fd00::50
//   ╰───────────────╯    │       int2: 10.0.1.1 ├── routed ────── 10.0.1.100, fd00:0:0:1::100
//                        ╰──────────────────────╯
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "lab/prober.h"
#include "lab/proxy_header.h"
#include "support/kernel_engines.h"
#include "support/tcp.h"
#include "support/udp.h"

namespace hairpin {
namespace {

const Endpoint service4 = at("1.0.0.1:1044");
const Endpoint service6 = at("[2001:db8::1]:1066");
const Endpoint backend4 = at("10.0.0.2:2044");

// An external client, one that is routed, a peer, the server itself, the gateway.
constexpr auto clients4 = std::to_array<const char*>({"1.0.0.100", "10.0.1.100", "10.0.0.50", "10.0.0.2", "1.0.0.1"});
constexpr auto clients6 =
    std::to_array<const char*>({"2001:db8::100", "fd00:0:0:1::100", "fd00::50", "fd00::2", "2001:db8::1"});

// `lists`: such as "deny: 10.0.0.0/8".
std::string yaml(std::string_view lists) {
    return fmt::format(
        "defaults: {{protocol: both{}{}}}\n"
        "services:\n"
        "  v4: {{listen: \"1.0.0.1:1044\", backends: \"10.0.0.2:2044\"}}\n"
        "  v6: {{listen: \"[2001:db8::1]:1066\", backends: \"[fd00::2]:2066\"}}\n",
        lists.empty() ? "" : ", ", lists);
}

class Admission : public testing::TestWithParam<std::string> {
protected:
    static bool is_proxy() { return GetParam() == "proxy"; }

    static std::string service_of(const Ip& client) { return client.is_v4() ? "v4" : "v6"; }
    static Leg asks(Protocol protocol, const Ip& client) {
        return {protocol, {client, 0}, client.is_v4() ? service4 : service6};
    }
    static uint64_t denied(const TestLab& lab, const Ip& client) {
        return lab.stats(service_of(client)).refused_for(Refusal::denied);
    }

    static void expect_let_in(const TestLab& lab, const char* address) {
        const Ip client = at(address).ip;
        const uint64_t before = denied(lab, client);
        for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
            const auto answer =
                lab::ask(host_with(lab, {client, 0}), asks(protocol, client), ProxyHeader::none, patience);
            EXPECT_TRUE(answer) << address << " over " << name(protocol) << ": " << answer.error().message;
        }
        EXPECT_EQ(denied(lab, client), before) << address;
    }

    static void expect_kept_out(const TestLab& lab, const char* address) {
        SCOPED_TRACE(address);
        const Ip client = at(address).ip;
        const lab::Host& host = host_with(lab, {client, 0});
        const ServiceStats before = lab.stats(service_of(client));
        const uint64_t so_far = before.refused_for(Refusal::denied);
        const Fd connection = connect_from(host, asks(Protocol::tcp, client));
        const int why = connection ? receive_to_end(connection).error : errno;
        EXPECT_EQ(why, is_proxy() ? ECONNRESET : ECONNREFUSED) << strerror(why);
        EXPECT_EQ(denied(lab, client), so_far + 1) << "over TCP";
        const Fd datagrams = connect_from(host, asks(Protocol::udp, client));
        (void)send(datagrams.get(), "question", 8, 0);  // nft tells a local one at once
        EXPECT_TRUE(wait_for([&] { return denied(lab, client) == so_far + 2; })) << "over UDP";
        EXPECT_EQ(lab.stats(service_of(client)).accepted, before.accepted);
    }

    static void expect(const TestLab& lab, const char* address, bool let_in) {
        let_in ? expect_let_in(lab, address) : expect_kept_out(lab, address);
    }
};

TEST_P(Admission, WhoIsDeniedIsRefusedOnEveryPathAndNobodyElse) {
    const TestLab lab(yaml(""), GetParam());
    ASSERT_TRUE(lab);
    for (size_t denied = 0; denied < clients4.size(); ++denied) {
        ASSERT_TRUE(lab.reload(yaml(fmt::format("deny: [\"{}\", \"{}\"]", clients4[denied], clients6[denied]))));
        for (size_t i = 0; i < clients4.size(); ++i) {
            expect(lab, clients4[i], i != denied);
            expect(lab, clients6[i], i != denied);
        }
        if (HasFailure()) FAIL() << lab->daemon_log();
    }
}

TEST_P(Admission, WhoIsAllowedIsServedOnEveryPathAndNobodyElse) {
    const TestLab lab(yaml(""), GetParam());
    ASSERT_TRUE(lab);
    for (size_t allowed = 0; allowed < clients4.size(); ++allowed) {
        ASSERT_TRUE(lab.reload(yaml(fmt::format("allow: [\"{}\", \"{}\"]", clients4[allowed], clients6[allowed]))));
        for (size_t i = 0; i < clients4.size(); ++i) {
            expect(lab, clients4[i], i == allowed);
            expect(lab, clients6[i], i == allowed);
        }
        if (HasFailure()) FAIL() << lab->daemon_log();
    }
}

TEST_P(Admission, DenyWinsOverAllow) {
    const TestLab lab(yaml("allow: [10.0.0.0/8, \"fd00::/8\"], deny: [10.0.0.50, \"fd00::50/128\"]"), GetParam());
    ASSERT_TRUE(lab);
    for (const char* client : {"10.0.0.2", "10.0.1.100", "fd00::2", "fd00:0:0:1::100"}) expect_let_in(lab, client);
    for (const char* client : {"10.0.0.50", "1.0.0.100", "fd00::50", "2001:db8::100"}) expect_kept_out(lab, client);
}

// ::/0 holds no IPv4 address, though these are held as IPv6 ones.
TEST_P(Admission, AFamilyThatIsNotNamedIsNotAllowedAndNotDenied) {
    const TestLab lab(yaml("allow: \"::/0\""), GetParam());
    ASSERT_TRUE(lab);
    expect_let_in(lab, "2001:db8::100");
    expect_kept_out(lab, "1.0.0.100");
    ASSERT_TRUE(lab.reload(yaml("deny: \"::/0\"")));
    expect_kept_out(lab, "2001:db8::100");
    expect_let_in(lab, "1.0.0.100");
}

// Of 10,000 prefixes none is overlooked, and none holds more than it says.
TEST_P(Admission, ALongListIsAsExactAsAShortOne) {
    std::string list = "deny: [1.0.0.100, 10.0.0.50";
    for (int i = 0; i < 10'000; ++i) list += fmt::format(", 10.{}.{}.{}/31", 1 + i / 4000, i / 50 % 80, 4 * (i % 50));
    const TestLab lab(yaml(""), GetParam());
    ASSERT_TRUE(lab);
    for (int round = 0; round < 2; ++round) {
        ASSERT_TRUE(lab.reload(yaml(list + "]"))) << lab->daemon_log();
        for (const char* client : {"1.0.0.100", "10.0.0.50"}) expect_kept_out(lab, client);
        for (const char* client : {"10.0.0.2", "10.0.1.100"}) expect_let_in(lab, client);
        list += fmt::format(", 9.9.{}.9", round);  // the next one is another
    }
}

TEST_P(Admission, AtAReloadConnectionsGoOnAndDatagramsAreJudgedAnew) {
    const TestLab lab(yaml(""), GetParam(), TestLab::Backends::none);
    ASSERT_TRUE(lab);
    const lab::Host& server = host_with(lab, backend4);
    const Fd listener = listen_on(server, backend4);
    const UdpSocket backend(server, backend4);
    const auto old = meet(lab->host("client"), service4, {&listener});
    const auto other = meet(lab->host("peer"), service4, {&listener});
    ASSERT_TRUE(old.conversation && other.conversation);
    const UdpSocket outside(lab->host("client"), at("1.0.0.100"));
    const UdpSocket peer(lab->host("peer"), at("10.0.0.50"));
    exchange(outside, service4, backend);
    const Endpoint seen = exchange(peer, service4, backend);

    ASSERT_TRUE(lab.reload(yaml("deny: [1.0.0.0/24]")));
    EXPECT_TRUE(old.conversation->alive()) << "a live connection is left alone";
    EXPECT_TRUE(other.conversation->alive());
    EXPECT_EQ(meet(lab->host("client"), service4, {&listener}).refused_with, is_proxy() ? ECONNRESET : ECONNREFUSED);
    EXPECT_TRUE(meet(lab->host("peer"), service4, {&listener}).conversation);
    const uint64_t before = denied(lab, service4.ip);
    outside.send(service4, "question");
    EXPECT_TRUE(wait_for([&] { return denied(lab, service4.ip) == before + 1; })) << "its session has ended";
    EXPECT_EQ(exchange(peer, service4, backend), seen) << "the sessions of others go on";
    EXPECT_TRUE(backend.is_empty());

    ASSERT_TRUE(lab.reload(yaml("allow: [1.0.0.100]")));
    EXPECT_TRUE(old.conversation->alive());
    EXPECT_TRUE(other.conversation->alive());
    EXPECT_TRUE(meet(lab->host("client"), service4, {&listener}).conversation);
    exchange(outside, service4, backend);
    EXPECT_EQ(meet(lab->host("peer"), service4, {&listener}).refused_with, is_proxy() ? ECONNRESET : ECONNREFUSED);
}

INSTANTIATE_TEST_SUITE_P(Every, Admission, testing::ValuesIn(engine_names()),
                         [](const auto& engine) { return engine.param; });

// --- What a program in user space cannot do: the proxy listens itself, and sends no ICMP error

class AdmissionInTheKernel : public Admission {};

// In a lab of its own: the kernel sends each neighbour only so many errors, and counts redirects among them.
TEST_P(AdmissionInTheKernel, AnswersADatagramAsAPortDoesWhereNobodyListens) {
    const TestLab lab(yaml("allow: 9.9.9.9"), GetParam());
    ASSERT_TRUE(lab);
    for (const auto& clients : {clients4, clients6}) {
        for (const char* address : clients) {
            const Ip client = at(address).ip;
            const Fd datagrams = connect_from(host_with(lab, {client, 0}), asks(Protocol::udp, client));
            const ssize_t sent = send(datagrams.get(), "question", 8, 0);
            if (sent < 0) {  // nft tells programs on the gateway at once
                EXPECT_EQ(address, clients.back());
                continue;
            }
            char byte = 0;
            EXPECT_EQ(recv(datagrams.get(), &byte, 1, 0), -1);
            EXPECT_EQ(errno, ECONNREFUSED) << address << ": " << strerror(errno);
        }
    }
}

// Nobody else is to answer for the service either.
TEST_P(AdmissionInTheKernel, NoProgramOfTheGatewaysHearsOfWhoIsKeptOut) {
    const TestLab lab(yaml("deny: [1.0.0.100]"), GetParam());
    ASSERT_TRUE(lab);
    const Fd intruder = listen_on(lab->host("gateway"), at("0.0.0.0:1044"));
    const UdpSocket intruding(lab->host("gateway"), at("0.0.0.0:1044"));
    expect_kept_out(lab, "1.0.0.100");
    EXPECT_FALSE(is_readable(intruder, std::chrono::milliseconds(0)));
    EXPECT_TRUE(intruding.is_empty());
}

INSTANTIATE_TEST_SUITE_P(Each, AdmissionInTheKernel, testing::ValuesIn(kernel_engine_names()),
                         [](const auto& engine) { return engine.param; });

// --- Behind another load balancer, which only the proxy believes

constexpr std::string_view behind = R"(
services:
  v4: {listen: "1.0.0.1:1044", backends: "10.0.0.2:2044", protocol: both, proxy_protocol: {accept_from: 1.0.0.100},
       allow: [203.0.113.0/24, 10.0.0.50], deny: 203.0.113.7}
)";
const std::string local_header("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", 16);  // a question of the sender's own

std::string header(Protocol protocol, std::string_view client) {
    return lab::write_proxy_header(ProxyHeader::v2, protocol, at(client), service4);
}

TEST(AdmissionBehindAProxy, IsByTheAddressThatTheHeaderNames) {
    const TestLab lab(behind, "proxy", TestLab::Backends::none);
    ASSERT_TRUE(lab);
    const lab::Host& server = host_with(lab, backend4);
    const Fd listener = listen_on(server, backend4);
    const auto greet = [&](const std::string& bytes) {
        Fd client = dial(lab->host("client"), service4);
        EXPECT_TRUE(send_all(client, bytes));
        return client;
    };
    const Fd served = greet(header(Protocol::tcp, "203.0.113.8:4000"));
    EXPECT_TRUE(accept_from(listener));
    for (const std::string& bytes :
         {header(Protocol::tcp, "203.0.113.7:4000"), header(Protocol::tcp, "8.8.8.8:4000"), local_header}) {
        EXPECT_EQ(receive_to_end(greet(bytes)).error, ECONNRESET);
    }
    EXPECT_TRUE(meet(lab->host("peer"), service4, {&listener}).conversation) << "who is no sender is judged as ever";
    EXPECT_EQ(lab.stats("v4").refused_for(Refusal::denied), 3u);
    EXPECT_EQ(lab.stats("v4").accepted_on(Path::external), 1u);
}

TEST(AdmissionBehindAProxy, IsSoForEachDatagram) {
    const TestLab lab(behind, "proxy", TestLab::Backends::none);
    ASSERT_TRUE(lab);
    const UdpSocket backend(host_with(lab, backend4), backend4);
    const UdpSocket sender(lab->host("client"), at("1.0.0.100"));
    for (const char* client : {"203.0.113.7:4000", "8.8.8.8:4000"}) {
        sender.send(service4, header(Protocol::udp, client) + "denied");
    }
    sender.send(service4, local_header + "denied");
    sender.send(service4, header(Protocol::udp, "203.0.113.8:4000") + "let in");
    const auto asked = backend.receive();
    ASSERT_TRUE(asked);
    EXPECT_EQ(asked->payload, "let in");
    EXPECT_TRUE(backend.is_empty());
    EXPECT_EQ(lab.stats("v4").refused_for(Refusal::denied), 3u);

    // A reload judges its session by the same address.
    ASSERT_TRUE(lab.reload(std::string(behind).replace(behind.find("203.0.113.7}"), 12, "203.0.113.8}")));
    sender.send(service4, header(Protocol::udp, "203.0.113.8:4000") + "denied");
    sender.send(service4, header(Protocol::udp, "203.0.113.7:4000") + "let in now");
    const auto next = backend.receive();
    ASSERT_TRUE(next);
    EXPECT_EQ(next->payload, "let in now");
}

}  // namespace
}  // namespace hairpin
