// A session is one client's at one endpoint: it keeps its source port, its backend and its answers to itself.
//
//   ╭─ client ──╮    ╭─ gateway ──────────╮               ╭─ server1 ──╮
//   │ 1.0.0.100 ├────┤ 1.0.0.1   10.0.0.1 ├── switch ─┬───┤ 10.0.0.2   │
//   ╰───────────╯    ╰────────────────────╯           │   ╭─ server2 ──╮
//                                                     ├───┤ 10.0.0.3   │
//                                                     │   ╭─ server3 ──╮
//                                                     ╰───┤ 10.0.0.4   │
#include <map>
#include <set>

#include "lab/prober.h"
#include "support/udp.h"

namespace hairpin {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

const Endpoint service = at("1.0.0.1:1044");
const Endpoint any_port = at("1.0.0.100");

using UdpSessions = UdpTest;

// RFC 4787 REQ-3 and REQ-9: the hairpinned client is seen as the external address, too, by another port.
TEST_P(UdpSessions, OfClientsWithTheSamePortKeepApart) {
    const TestLab lab = make_lab(R"(
services:
  one: {listen: "1.0.0.1:1044", backends: "10.0.0.2:2044", protocol: udp, source: external}
  other: {listen: "1.0.0.1:1045", backends: "10.0.0.3:2045", protocol: udp}
)");
    ASSERT_TRUE(lab);
    const UdpSocket backend(lab->host("server1"), at("10.0.0.2:2044"));
    const UdpSocket outside(lab->host("client"), at("1.0.0.100:5555"));
    const UdpSocket peer(lab->host("server2"), at("10.0.0.3:5555"));
    const UdpSocket self(lab->host("server1"), at("10.0.0.2:5555"));
    std::map<const UdpSocket*, Endpoint> seen;
    std::set<Endpoint> distinct;
    for (const UdpSocket* client : {&outside, &peer, &self}) {
        seen[client] = exchange(*client, service, backend);
        EXPECT_EQ(seen[client].ip.str(), "1.0.0.1");
        distinct.insert(seen[client]);
    }
    EXPECT_EQ(distinct.size(), 3u);
    // Answers that cross on their way.
    for (const auto& [client, endpoint] : seen) backend.send(endpoint, "for " + client->local().str());
    for (const auto& [client, endpoint] : seen) {
        EXPECT_EQ(client->receive(), (Datagram{service, "for " + client->local().str()}));
        EXPECT_EQ(exchange(*client, service, backend).str(), endpoint.str());
    }
    EXPECT_EQ(lab.stats("one").active, 3u);
}

constexpr std::string_view brief = R"(
services:
  brief: {listen: "1.0.0.1:1044", backends: "10.0.0.2:2044", protocol: udp, idle_timeout: 1s}
)";
constexpr milliseconds idle_timeout{1000};

TEST_P(UdpSessions, EndWhenIdleAndNotBefore) {
    const TestLab lab = make_lab(brief);
    ASSERT_TRUE(lab);
    const UdpSocket backend(lab->host("server1"), at("10.0.0.2:2044"));
    const UdpSocket client(lab->host("client"), any_port);
    const auto last_sent = Clock::now();
    const Endpoint seen = exchange(client, service, backend);
    const uint64_t living = lab.stats("brief").active;
    EXPECT_TRUE(living == 1 || Clock::now() - last_sent >= idle_timeout) << living << " live";
    EXPECT_TRUE(wait_for([&] { return lab.stats("brief").active == 0; }));
    EXPECT_GE(Clock::now() - last_sent, idle_timeout);
    backend.send(seen, "too late");
    // A backend that knows the client's own address may write to it, but not in the name of the service any more.
    if (keeps_clients()) {
        EXPECT_EQ(client.receive(), (Datagram{at("10.0.0.2:2044"), "too late"}));
    }
    exchange(client, service, backend);
    EXPECT_TRUE(client.is_empty());
    EXPECT_EQ(lab.stats("brief").accepted_on(Path::external), 2u);
}

// Keeps calling `talk`, which must hear, for longer than a session would live without it; false if this process was too
// slow to.
bool keep_talking(const std::function<bool()>& talk) {
    const auto start = Clock::now();
    for (auto last = start; last - start < 2 * idle_timeout;) {
        const bool heard = talk();
        wait_for([] { return false; }, idle_timeout / 8);  // the pause is what is tested
        const auto now = Clock::now();
        if (now - last >= idle_timeout * 3 / 8) return false;  // the pause may be of two of them
        EXPECT_TRUE(heard);
        last = now;
    }
    return true;
}

// RFC 4787 REQ-6.
TEST_P(UdpSessions, LiveOnWhileEitherSideTalks) {
    const TestLab lab = make_lab(brief);
    ASSERT_TRUE(lab);
    for (bool in_time = false; !in_time && !HasFailure();) {
        const UdpSocket backend(lab->host("server1"), at("10.0.0.2:2044"));
        const UdpSocket listens(lab->host("client"), any_port);
        const UdpSocket talks(lab->host("client"), any_port);
        const Endpoint listens_seen = exchange(listens, service, backend);
        const Endpoint talks_seen = exchange(talks, service, backend);
        in_time = keep_talking([&] {
            talks.send(service, "tick");
            const bool ticked = backend.receive() == Datagram{talks_seen, "tick"};
            backend.send(listens_seen, "tock");
            return ticked && listens.receive() == Datagram{service, "tock"};
        });
        if (!in_time) continue;
        const auto talked = Clock::now();
        const Endpoint seen = exchange(listens, service, backend);
        in_time = Clock::now() - talked < idle_timeout / 4;
        EXPECT_TRUE(!in_time || seen == listens_seen) << seen.str() << ", not " << listens_seen.str();
    }
}

size_t lines_with(const std::string& log, std::string_view words) {
    size_t found = 0;
    for (size_t at = log.find(words); at != log.npos; at = log.find(words, at + 1)) ++found;
    return found;
}

TEST_P(UdpSessions, BeyondTheLimitAreRefusedUntilOthersEnd) {
    if (GetParam() != "proxy") GTEST_SKIP() << "gap: " << GetParam() << " does not count sessions by service";
    const TestLab lab = make_lab(R"(
services:
  few: {listen: "1.0.0.1:1044", backends: "10.0.0.2:2044", protocol: udp, max_sessions: 2, idle_timeout: 20s}
)");
    ASSERT_TRUE(lab);
    const UdpSocket backend(lab->host("server1"), at("10.0.0.2:2044"));
    const UdpSocket first(lab->host("client"), any_port);
    const UdpSocket second(lab->host("client"), any_port);
    const UdpSocket third(lab->host("client"), any_port);
    const auto start = Clock::now();
    const Endpoint first_seen = exchange(first, service, backend);
    const Endpoint second_seen = exchange(second, service, backend);
    constexpr uint64_t attempts = 100;
    for (uint64_t i = 0; i < attempts; ++i) third.send(service, "let me in");
    EXPECT_TRUE(wait_for([&] { return lab.stats("few").refused_for(Refusal::sessions) == attempts; }));
    EXPECT_EQ(exchange(first, service, backend).str(), first_seen.str());
    EXPECT_EQ(exchange(second, service, backend).str(), second_seen.str());
    EXPECT_TRUE(backend.is_empty());
    EXPECT_EQ(lab.stats("few").active, 2u);

    const auto seconds = std::chrono::ceil<std::chrono::seconds>(Clock::now() - start).count();
    const size_t lines = lines_with(lab->daemon_log(), "all 2 UDP sessions are in use");
    EXPECT_GE(lines, 1u);
    EXPECT_LE(lines, static_cast<size_t>(seconds));

    EXPECT_TRUE(wait_for([&] { return lab.stats("few").active == 0; }, 2 * patience));
    exchange(third, service, backend);
}

constexpr std::string_view three = R"(
services:
  three:
    {listen: "1.0.0.1:1044", backends: ["10.0.0.2:2044", "10.0.0.3:2044", "10.0.0.4:2044"], protocol: udp}
)";

TEST_P(UdpSessions, ShareTheBackendsEvenlyAndStayWithTheirs) {
    const TestLab lab = make_lab(three);
    ASSERT_TRUE(lab);
    const UdpSocket one(lab->host("server1"), at("10.0.0.2:2044"));
    const UdpSocket two(lab->host("server2"), at("10.0.0.3:2044"));
    const UdpSocket three_(lab->host("server3"), at("10.0.0.4:2044"));
    const std::array<const UdpSocket*, 3> backends = {&one, &two, &three_};
    constexpr size_t sessions = 30;
    std::vector<UdpSocket> clients;
    for (size_t i = 0; i < sessions; ++i) clients.emplace_back(lab->host("client"), any_port);
    std::map<std::string, const UdpSocket*> owner;
    for (int round = 0; round < 2; ++round) {
        for (const UdpSocket& client : clients) client.send(service, client.local().str());
        for (const UdpSocket* backend : backends) {
            for (size_t i = 0; i < sessions / backends.size(); ++i) {
                const auto asked = backend->receive();
                ASSERT_TRUE(asked) << backend->local().str() << " has " << i << " sessions in round " << round;
                const auto [known, is_new] = owner.emplace(asked->payload, backend);
                EXPECT_EQ(is_new, round == 0);
                EXPECT_EQ(known->second, backend);
            }
            EXPECT_TRUE(backend->is_empty());
        }
    }
}

TEST_P(UdpSessions, OutliveAReloadUnlessTheirBackendGoes) {
    const TestLab lab = make_lab(three);
    ASSERT_TRUE(lab);
    const UdpSocket old_backend(lab->host("server1"), at("10.0.0.2:2044"));
    const UdpSocket new_backend(lab->host("server2"), at("10.0.0.3:2044"));
    const UdpSocket old_client(lab->host("client"), any_port);
    const UdpSocket new_client(lab->host("client"), any_port);
    const Endpoint seen = exchange(old_client, service, old_backend);
    ASSERT_TRUE(lab.reload(
        R"(services: {three: {listen: "1.0.0.1:1044", backends: ["10.0.0.2:2044", "10.0.0.3:2044"], protocol: udp}})"));
    EXPECT_EQ(exchange(old_client, service, old_backend).str(), seen.str());
    ASSERT_TRUE(lab.reload(R"(services: {three: {listen: "1.0.0.1:1044", backends: "10.0.0.3:2044", protocol: udp}})"));
    exchange(new_client, service, new_backend);
    exchange(old_client, service, new_backend);
}

// Clients that never fall silent kept the rules of their first datagram for ever.
TEST_P(UdpSessions, FollowAReloadThatChangesWhatTheyWereOpenedUnder) {
    const auto with = [](std::string_view listen, std::string_view backends, std::string_view rules) {
        return "services:\n  one: {listen: \"1.0.0.1:" + std::string(listen) +
               "\", backends: \"10.0.0.2:" + std::string(backends) + "\", protocol: udp" + std::string(rules) + "}\n";
    };
    const TestLab lab = make_lab(with("1044", "2044", ""));
    ASSERT_TRUE(lab);
    const UdpSocket backend(lab->host("server1"), at("10.0.0.2:2044"));
    const UdpSocket client(lab->host("client"), any_port);
    const Endpoint first = exchange(client, service, backend);
    EXPECT_EQ(first.ip, keeps_clients() ? client.local().ip : service.ip);

    ASSERT_TRUE(lab.reload(with("1044", "2044", ", max_sessions: 9")));
    EXPECT_EQ(exchange(client, service, backend), first) << "nothing that concerns it";

    ASSERT_TRUE(lab.reload(with("1044", "2044", ", source: gateway")));
    EXPECT_EQ(exchange(client, service, backend).ip.str(), "10.0.0.1");

    const bool speaks_proxy = GetParam() == "proxy";  // otherwise it is a gap
    ASSERT_EQ(lab.reload(with("1044", "2044", ", source: gateway, proxy_protocol: {send: v2}")), speaks_proxy);
    if (speaks_proxy) {
        client.send(service, "question");
        const auto asked = backend.receive();
        ASSERT_TRUE(asked);
        EXPECT_TRUE(asked->payload.starts_with("\r\n\r\n")) << "no PROXY header";
    }

    ASSERT_TRUE(lab.reload(with("1044", "2044", ", idle_timeout: 1s")));
    exchange(client, service, backend);
    EXPECT_TRUE(wait_for([&] { return lab.stats("one").active == 0; })) << "5 minutes, as before";

    // Both ports are still the backend's, but 1044 is another one's now.
    const UdpSocket next(lab->host("server1"), at("10.0.0.2:2045"));
    ASSERT_TRUE(lab.reload(with("1044-1045", "2044-2045", "")));
    exchange(client, service, backend);
    ASSERT_TRUE(lab.reload(with("1043-1044", "2044-2045", "")));
    exchange(client, service, next);
}

// The kernel had given the port to a session of ours, so that the reload was refused: "the port is in use".
TEST_P(UdpSessions, GiveWayToAnEndpointOnTheirPort) {
    const TestLab lab = make_lab(brief);
    ASSERT_TRUE(lab);
    const UdpSocket backend(lab->host("server1"), at("10.0.0.2:2044"));
    const UdpSocket other_backend(lab->host("server1"), at("10.0.0.2:2045"));
    const UdpSocket client(lab->host("client"), any_port);
    for (const auto* address : {"1.0.0.1:", "0.0.0.0:"}) {
        const uint16_t port = exchange(client, service, backend).port;
        ASSERT_TRUE(lab.reload(std::string(brief) + "  new: {listen: \"" + address + std::to_string(port) +
                               "\", backends: \"10.0.0.2:2045\", protocol: udp}\n"));
        exchange(client, {service.ip, port}, other_backend);
        exchange(client, service, backend);
    }
}

// From thousands of ports at once, as a resolver asks or an attacker does.
TEST_P(UdpSessions, InThousandsDoNotKeepTcpWaiting) {
    const TestLab lab(R"(
services:
  flooded: {listen: "1.0.0.1:1044", backends: "10.0.0.2:2044", protocol: udp, max_sessions: 4096}
  calm: {listen: "1.0.0.1:1045", backends: "10.0.0.2:2045", protocol: tcp}
)",
                      GetParam());
    ASSERT_TRUE(lab);
    const lab::Host& host = lab->host("client");
    constexpr uint16_t first_port = 10'000;
    constexpr uint16_t total = 2000;
    constexpr uint16_t wave = 100;  // what a default receive buffer holds with room to spare
    for (uint16_t begin = 0; begin < total; begin += wave) {
        std::vector<UdpSocket> clients;
        for (uint16_t i = begin; i < begin + wave; ++i) {
            clients.emplace_back(host, Endpoint{any_port.ip, static_cast<uint16_t>(first_port + i)});
        }
        for (const UdpSocket& client : clients) client.send(service, client.local().str());
        for (const UdpSocket& client : clients) {
            const auto answer = client.receive();
            ASSERT_TRUE(answer) << client.local().str();
            EXPECT_TRUE(answer->payload.ends_with("\n" + client.local().str())) << answer->payload;
        }
    }
    EXPECT_EQ(lab.stats("flooded").active, total);
    const UdpSocket attacker(host, any_port);
    for (int i = 0; i < 200; ++i) attacker.send(service, "more");
    const auto start = Clock::now();
    const auto answer = lab::ask(host, {Protocol::tcp, any_port, at("1.0.0.1:1045")}, ProxyHeader::none, patience);
    EXPECT_TRUE(answer) << answer.error().message;
    EXPECT_LT(Clock::now() - start, patience / 2);
}

INSTANTIATE_TEST_SUITE_P(Every, UdpSessions, testing::ValuesIn(engine_names()));

}  // namespace
}  // namespace hairpin
