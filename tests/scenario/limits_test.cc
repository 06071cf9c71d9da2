// Limits count the flows of a service and of each client by the address that the client itself has, on every path: who
// is beyond one is refused, nobody else is, and what lives goes on.
//
//   ╭─ client ──────╮    ╭─ gateway ────────────╮               ╭─ server1, 2 ── 10.0.0.2, fd00::2
//   │ 1.0.0.100     ├────┤ 1.0.0.1     10.0.0.1 ├── switch ─────┤
//   │ 2001:db8::100 │    │ 2001:db8::1  fd00::1 │               ╰─ peer ──────── 10.0.0.50, fd00::50
//   ╰───────────────╯    │       int2: 10.0.1.1 ├── routed ────── 10.0.1.100, fd00:0:0:1::100
//                        ╰──────────────────────╯
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>

#include "config/config.h"
#include "engines/episode.h"
#include "engines/registry.h"
#include "lab/prober.h"
#include "lab/proxy_header.h"
#include "support/binary.h"
#include "support/program.h"
#include "support/tcp.h"
#include "support/udp.h"

namespace hairpin {
namespace {

using std::chrono::steady_clock;

const Endpoint service4 = at("1.0.0.1:1044");
const Endpoint service6 = at("[2001:db8::1]:1066");
const Endpoint backend4 = at("10.0.0.2:2044");
const Endpoint backend6 = at("[fd00::2]:2066");

// An external client, one that is routed, a peer, the server itself, the gateway.
constexpr auto all_clients =
    std::to_array<const char*>({"1.0.0.100", "10.0.1.100", "10.0.0.50", "10.0.0.2", "1.0.0.1", "2001:db8::100",
                                "fd00:0:0:1::100", "fd00::50", "fd00::2", "2001:db8::1"});

// `limits`: such as "connections: 3". `more`: what else is to be the default.
std::string yaml(std::string_view limits, std::string_view more = "") {
    return fmt::format(
        "defaults: {{protocol: both, limits: {{{}}}{}}}\n"
        "services:\n"
        "  v4: {{listen: \"1.0.0.1:1044\", backends: \"10.0.0.2:2044\"}}\n"
        "  v6: {{listen: \"[2001:db8::1]:1066\", backends: \"[fd00::2]:2066\"}}\n",
        limits, more);
}

// Those that start with such a limit. The others say so in a Gap: see LimitsElsewhere.
std::vector<std::string> engines_with(std::string_view limit) {
    const Ruleset ruleset(parse_config(yaml(limit), "limits").services);
    std::vector<std::string> names = engine_names();
    std::erase_if(names, [&](const std::string& engine) {
        return std::ranges::any_of(find_engine(engine)->make({})->gaps(ruleset), &Gap::fatal);
    });
    return names;
}

class LimitsTest : public testing::TestWithParam<std::string> {
protected:
    explicit LimitsTest(const std::string& limits) : lab(yaml(limits), GetParam(), TestLab::Backends::none) {}

    void SetUp() override {
        ASSERT_TRUE(lab);
        server4 = listen_on(host_with(lab, backend4), backend4);
        server6 = listen_on(host_with(lab, backend6), backend6);
    }
    void TearDown() override {
        if (HasFailure() && lab) ADD_FAILURE() << lab->daemon_log();
    }

    static bool is_proxy() { return GetParam() == "proxy"; }
    uint64_t refused(std::string_view service = "v4") const { return lab.stats(service).refused_for(Refusal::limits); }

    // The client opens a connection.
    Meeting connect(const Ip& client) const {
        const Fd& server = client.is_v4() ? server4 : server6;
        Fd socket = connect_from(host_with(lab, {client, 0}),
                                 {Protocol::tcp, {client, 0}, client.is_v4() ? service4 : service6});
        if (!socket) return {std::nullopt, errno};
        if (is_proxy()) {  // it has accepted already: whoever is refused is reset
            const bool known = wait_for([&] {
                return is_readable(server, std::chrono::milliseconds(1)) ||
                       is_readable(socket, std::chrono::milliseconds(0));
            });
            if (!known) return {std::nullopt, ETIMEDOUT};
            if (!is_readable(server, std::chrono::milliseconds(0))) {
                return {std::nullopt, receive_to_end(socket).error};
            }
        }
        return {Conversation{std::move(socket), accept_from(server)}, 0};
    }
    Meeting connect(const char* client) const { return connect(at(client).ip); }

    void expect_refused(const char* client) const {
        const std::string service = at(client).ip.is_v4() ? "v4" : "v6";
        const uint64_t before = refused(service);
        EXPECT_EQ(connect(client).refused_with, is_proxy() ? ECONNRESET : ECONNREFUSED) << client;
        EXPECT_EQ(refused(service), before + 1) << client;
    }

    // Once its place is free: the kernel may hear of an end a moment later than the client.
    std::optional<Conversation> connect_soon(const char* client) const {
        Meeting meeting;
        wait_for([&] { return (meeting = connect(client)).conversation.has_value(); });
        return std::move(meeting.conversation);
    }

    size_t told(std::string_view words) const {
        const std::string log = lab->daemon_log();
        size_t found = 0;
        for (size_t at = log.find(words); at != log.npos; at = log.find(words, at + 1)) ++found;
        return found;
    }

    const TestLab lab;
    Fd server4, server6;
};

// --- Live flows of one client

class LimitsOfAClient : public LimitsTest {
protected:
    LimitsOfAClient() : LimitsTest("connections_per_client: 2") {}
};

TEST_P(LimitsOfAClient, HoldForEachOnEveryPath) {
    const auto start = steady_clock::now();
    std::vector<Conversation> live;
    for (const char* client : all_clients) {
        for (int i = 0; i < 2; ++i) {
            Meeting meeting = connect(client);
            ASSERT_TRUE(meeting.conversation) << client << ": " << strerror(meeting.refused_with);
            live.push_back(*std::move(meeting.conversation));
        }
        expect_refused(client);
    }
    for (const char* client : all_clients) expect_refused(client);
    for (const Conversation& conversation : live) EXPECT_TRUE(conversation.alive());
    EXPECT_EQ(lab.stats("v4").active, 10u);
    EXPECT_EQ(lab.stats("v6").active, 10u);
    for (const char* service : {"v4", "v6"}) {
        const auto warning = fmt::format("service {}: limits.connections_per_client: a client has reached 2 ", service);
        EXPECT_TRUE(wait_for([&] { return told(warning) > 0; }));
        // Of all those one line, unless they paused for so long that it may be said again.
        EXPECT_LE(told(warning), 1 + static_cast<size_t>((steady_clock::now() - start) / Episode::rest));
    }
}

TEST_P(LimitsOfAClient, LeaveItsPlaceToTheNextOnceItIsFree) {
    for (const char* client : {"1.0.0.100", "10.0.0.50", "10.0.0.2"}) {
        auto first = connect(client).conversation;
        const auto second = connect(client).conversation;
        ASSERT_TRUE(first && second);
        expect_refused(client);
        first.reset();  // in order, from both ends
        const auto third = connect_soon(client);
        ASSERT_TRUE(third) << client;
        EXPECT_TRUE(third->alive());
        EXPECT_TRUE(second->alive());
        expect_refused(client);
    }
}

TEST_P(LimitsOfAClient, AreThoseOfItsNetworkWhereItIsOutsideAndHasIpv6) {
    command(lab->host("client"), "ip -6 address add 2001:db8::101/64 dev eth0 nodad");
    command(lab->host("client"), "ip -6 address add 2001:db8:0:1::101/64 dev eth0 nodad");
    command(lab->host("gateway"), "ip -6 route add 2001:db8:0:1::/64 via 2001:db8::100");
    ASSERT_TRUE(lab.reload(yaml("connections_per_client: 2"))) << "so that it knows the route for sure";
    const auto from = [&](const char* client) {
        Fd socket = connect_from(lab->host("client"), {Protocol::tcp, {at(client).ip, 0}, service6});
        if (socket && is_proxy() && !is_readable(server6, patience)) socket.reset();
        return socket ? std::optional(Conversation{std::move(socket), accept_from(server6)}) : std::nullopt;
    };
    const auto one = from("2001:db8::100");
    const auto other = from("2001:db8::101");
    ASSERT_TRUE(one && other);
    expect_refused("2001:db8::100");
    const auto elsewhere = from("2001:db8:0:1::101");
    ASSERT_TRUE(elsewhere);
    for (const auto* live : {&one, &other, &elsewhere}) EXPECT_TRUE((*live)->alive());
}

TEST_P(LimitsOfAClient, CountItsDatagramSessionsToo) {
    const UdpSocket backend(host_with(lab, backend4), backend4);
    const UdpSocket first(lab->host("client"), at("1.0.0.100"));
    exchange(first, service4, backend);
    const auto connection = connect("1.0.0.100").conversation;
    ASSERT_TRUE(connection);
    expect_refused("1.0.0.100");
    const UdpSocket second(lab->host("client"), at("1.0.0.100"));
    const uint64_t before = refused();
    second.send(service4, "one too many");
    EXPECT_TRUE(wait_for([&] { return refused() == before + 1; }));
    const UdpSocket neighbour(lab->host("peer"), at("10.0.0.50"));
    exchange(neighbour, service4, backend);
    exchange(first, service4, backend);
    EXPECT_TRUE(backend.is_empty());
    EXPECT_TRUE(connection->alive());
}

// --- Live flows of the service

class LimitsOfAService : public LimitsTest {
protected:
    LimitsOfAService() : LimitsTest("connections: 3") {}
};

TEST_P(LimitsOfAService, HoldForAllClientsTogether) {
    const UdpSocket backend(host_with(lab, backend4), backend4);
    const UdpSocket peer(lab->host("peer"), at("10.0.0.50"));
    exchange(peer, service4, backend);
    auto outside = connect("1.0.0.100").conversation;
    const auto self = connect("10.0.0.2").conversation;
    ASSERT_TRUE(outside && self);
    for (const char* client : {"1.0.0.100", "10.0.1.100", "10.0.0.50", "10.0.0.2", "1.0.0.1"}) expect_refused(client);
    const auto other_service = connect("fd00::50").conversation;
    EXPECT_TRUE(other_service);
    EXPECT_TRUE(outside->alive());
    EXPECT_TRUE(self->alive());
    exchange(peer, service4, backend);
    outside.reset();
    EXPECT_TRUE(connect_soon("10.0.1.100"));
    EXPECT_TRUE(wait_for([&] { return told("service v4: limits.connections: it has reached 3 ") > 0; }));
}

TEST_P(LimitsOfAService, MayBeChangedWhileConnectionsLive) {
    ASSERT_TRUE(lab.reload(yaml("connections: 1")));
    const auto first = connect("1.0.0.100").conversation;
    ASSERT_TRUE(first);
    expect_refused("10.0.0.50");
    ASSERT_TRUE(lab.reload(yaml("connections: 2")));
    EXPECT_TRUE(first->alive());
    const auto second = connect("10.0.0.50").conversation;
    ASSERT_TRUE(second);
    if (is_proxy()) expect_refused("10.0.0.50");  // nft counts anew, and says so in a Gap
    ASSERT_TRUE(lab.reload(yaml("connections: 1")));
    expect_refused("10.0.0.50");
    for (const auto* live : {&first, &second}) EXPECT_TRUE((*live)->alive());
    ASSERT_TRUE(lab.reload(yaml("connections_per_client: 9")));
    const auto third = connect("10.0.0.50").conversation;
    ASSERT_TRUE(third);
    ASSERT_TRUE(lab.reload(yaml("connections: 1"))) << "as it was once before";
    expect_refused("10.0.0.50");
    for (const auto* live : {&first, &second, &third}) EXPECT_TRUE((*live)->alive());
}

// A reload of something else, or of nothing, forgets nobody.
TEST_P(LimitsOfAService, OutliveAReloadOfWhatElseThereIs) {
    std::vector<Conversation> live;
    for (int i = 0; i < 3; ++i) live.push_back(connect("10.0.0.50").conversation.value());
    ASSERT_TRUE(lab.reload(yaml("connections: 3", ", idle_timeout: 7s, deny: 10.0.0.77")));
    expect_refused("10.0.0.50");
    expect_refused("1.0.0.100");
    for (const Conversation& conversation : live) EXPECT_TRUE(conversation.alive());
}

// --- How many begin

// Whether so many of a rate are right that began within this time: never more than the bucket had, and gained.
void expect_within(int begun, int rate, steady_clock::duration took) {
    EXPECT_GE(begun, rate) << "the bucket is full at first";
    EXPECT_LE(begun, rate + std::ceil(std::chrono::duration<double>(took).count() * rate));
}

class LimitsOfTheRateOfAClient : public LimitsTest {
protected:
    LimitsOfTheRateOfAClient() : LimitsTest("new_per_second_per_client: 5") {}
};

TEST_P(LimitsOfTheRateOfAClient, HoldForEachAlone) {
    for (const char* client : {"1.0.0.100", "10.0.0.50", "10.0.0.2", "fd00::50", "2001:db8::100"}) {
        const std::string service = at(client).ip.is_v4() ? "v4" : "v6";
        const uint64_t before = refused(service);
        std::vector<Conversation> live;
        int tried = 0;
        const auto start = steady_clock::now();
        for (; tried < 500 && (tried < 20 || static_cast<int>(live.size()) == tried); ++tried) {
            Meeting meeting = connect(client);
            if (meeting.conversation) live.push_back(*std::move(meeting.conversation));
        }
        expect_within(static_cast<int>(live.size()), 5, steady_clock::now() - start);
        EXPECT_LT(static_cast<int>(live.size()), tried);
        EXPECT_EQ(refused(service) - before, static_cast<uint64_t>(tried) - live.size());
        EXPECT_TRUE(connect_soon(client)) << "once there is a token";
        for (const Conversation& conversation : live) EXPECT_TRUE(conversation.alive());
    }
    EXPECT_TRUE(
        wait_for([&] { return told("service v4: limits.new_per_second_per_client: a client has reached 5 ") > 0; }));
}

class LimitsOfTheRateOfAService : public LimitsTest {
protected:
    LimitsOfTheRateOfAService() : LimitsTest("new_per_second: 4") {}
};

TEST_P(LimitsOfTheRateOfAService, HoldForDatagramSessionsOfAllClients) {
    const UdpSocket backend(host_with(lab, backend4), backend4);
    std::vector<std::unique_ptr<UdpSocket>> clients;
    for (int i = 0; i < 40; ++i) {
        const bool peer = i % 2 == 0;
        clients.push_back(
            std::make_unique<UdpSocket>(lab->host(peer ? "peer" : "client"), at(peer ? "10.0.0.50" : "1.0.0.100")));
    }
    const auto start = steady_clock::now();
    for (const auto& client : clients) client->send(service4, "question");
    int begun = 0;
    EXPECT_TRUE(wait_for([&] {
        while (backend.receive(std::chrono::milliseconds(0))) ++begun;
        return begun + refused() == clients.size();
    })) << begun
        << " and " << refused();
    expect_within(begun, 4, steady_clock::now() - start);
    EXPECT_GT(refused(), 0u);
}

#define HAIRPIN_ON_EVERY_ENGINE_WITH(limit, fixture)                                 \
    INSTANTIATE_TEST_SUITE_P(Every, fixture, testing::ValuesIn(engines_with(limit)), \
                             [](const auto& engine) { return engine.param; })
HAIRPIN_ON_EVERY_ENGINE_WITH("connections: 3", LimitsOfAClient);
HAIRPIN_ON_EVERY_ENGINE_WITH("connections: 3", LimitsOfAService);
HAIRPIN_ON_EVERY_ENGINE_WITH("new_per_second: 3", LimitsOfTheRateOfAClient);
HAIRPIN_ON_EVERY_ENGINE_WITH("new_per_second: 3", LimitsOfTheRateOfAService);

// --- What differs

// The kernel's count outlives the daemon.
class LimitsInTheKernel : public LimitsTest {
protected:
    LimitsInTheKernel() : LimitsTest("connections: 2") {}
};

TEST_P(LimitsInTheKernel, HoldAfterTheDaemonWasKilled) {
    auto first = connect("1.0.0.100").conversation;
    const auto second = connect("10.0.0.50").conversation;
    ASSERT_TRUE(first && second);
    expect_refused("1.0.0.100");
    lab.kill_daemon();
    EXPECT_EQ(connect("10.0.0.2").refused_with, ECONNREFUSED) << "nobody is needed for it";
    lab.start_daemon();
    expect_refused("1.0.0.100");
    EXPECT_TRUE(first->alive());
    EXPECT_TRUE(second->alive());
    first.reset();
    EXPECT_TRUE(connect_soon("1.0.0.100"));
}
INSTANTIATE_TEST_SUITE_P(Of, LimitsInTheKernel, testing::Values("nft"),
                         [](const auto& engine) { return engine.param; });

class RatesInTheKernel : public LimitsTest {
protected:
    RatesInTheKernel() : LimitsTest("new_per_second: 2") {}
};

TEST_P(RatesInTheKernel, HoldAfterTheDaemonWasKilled) {
    lab.kill_daemon();
    std::vector<Conversation> live;
    int refused = 0;
    const auto start = steady_clock::now();
    EXPECT_TRUE(wait_for([&] {
        for (const char* client : {"1.0.0.100", "10.0.0.50"}) {
            Meeting meeting = connect(client);
            if (meeting.conversation) {
                live.push_back(*std::move(meeting.conversation));
            } else {
                EXPECT_EQ(meeting.refused_with, ECONNREFUSED);
                ++refused;
            }
        }
        return refused > 0;
    }));
    expect_within(static_cast<int>(live.size()), 2, steady_clock::now() - start);
    lab.start_daemon();
    for (const Conversation& conversation : live) EXPECT_TRUE(conversation.alive());
}
INSTANTIATE_TEST_SUITE_P(Every, RatesInTheKernel, testing::Values("nft", "tc", "xdp"),
                         [](const auto& engine) { return engine.param; });

// Behind another load balancer, which only the proxy believes.
TEST(LimitsBehindAProxy, CountTheClientsThatHeadersName) {
    const TestLab lab(R"(
services:
  v4: {listen: "1.0.0.1:1044", backends: "10.0.0.2:2044", proxy_protocol: {accept_from: 1.0.0.100},
       limits: {connections_per_client: 1}}
)",
                      "proxy", TestLab::Backends::none);
    ASSERT_TRUE(lab);
    const Fd server = listen_on(host_with(lab, backend4), backend4);
    const auto greet = [&](std::string_view client) {
        Fd socket = dial(lab->host("client"), service4);
        EXPECT_TRUE(send_all(socket, lab::write_proxy_header(ProxyHeader::v2, Protocol::tcp, at(client), service4)));
        return socket;
    };
    const Fd one = greet("203.0.113.7:4000");
    EXPECT_TRUE(accept_from(server));
    EXPECT_EQ(receive_to_end(greet("203.0.113.7:4001")).error, ECONNRESET);
    const Fd other = greet("203.0.113.8:4000");
    EXPECT_TRUE(accept_from(server));
    EXPECT_EQ(lab.stats("v4").refused_for(Refusal::limits), 1u);
}

// Those that do not count refuse to start, rather than to serve without limits.
class LimitsElsewhere : public testing::TestWithParam<std::string> {};

TEST_P(LimitsElsewhere, AreRefusedInWords) {
    const TestLab lab(yaml("connections: 3"));
    ASSERT_TRUE(lab);
    const TemporaryFile config("engine: " + GetParam() + "\n" + yaml("connections: 3"));
    const auto [status, said] = outcome_of(lab->host("gateway"), {hairpin_binary(), "check", config.path()});
    EXPECT_EQ(status, 2);
    EXPECT_NE(said.find("limits.connections: this engine counts how many connections begin, not how many live"),
              said.npos)
        << said;
    EXPECT_NE(said.find("use engine: proxy or nft"), said.npos) << said;
}
INSTANTIATE_TEST_SUITE_P(Of, LimitsElsewhere, testing::Values("tc", "xdp"),
                         [](const auto& engine) { return engine.param; });

}  // namespace
}  // namespace hairpin
