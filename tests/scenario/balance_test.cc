// With source_hash a client address has one backend, whatever it asks and whichever engine runs.
//
//   ╭─ client ────────────────────╮    ╭─ gateway ────╮               ╭─ server1 ── 10.0.0.2
//   │ 1.0.0.100, .101 ... .116    ├────┤ 1.0.0.1      ├── switch ─────┼─ server2 ── 10.0.0.3
//   │ 2001:db8::100, ::101 ... 116│    │ 2001:db8::1  │               ├─ server3 ── fd00::2
//   ╰─────────────────────────────╯    ╰──────────────╯               ╰─ server4 ── fd00::3
#include <gtest/gtest.h>

#include <set>

#include "lab/prober.h"
#include "lab/proxy_header.h"
#include "support/tcp.h"
#include "support/udp.h"

namespace hairpin {
namespace {

constexpr std::string_view yaml = R"(
defaults: {protocol: both, balance: source_hash}
services:
  four: {listen: "1.0.0.1:80", backends: ["10.0.0.2:8080", "10.0.0.3:8081"]}
  six: {listen: "[2001:db8::1]:80", backends: ["[fd00::2]:8080", "[fd00::3]:8081"]}
  equal: {listen: "1.0.0.1:5000-5002", backends: ["10.0.0.2:5000-5002", "10.0.0.3:5000-5002"]}
  shifted: {listen: "1.0.0.1:6000-6002", backends: ["10.0.0.2:7000-7002", "10.0.0.3:6000-6002"]}
  six_shifted: {listen: "[2001:db8::1]:6000-6002", backends: ["[fd00::2]:7000-7002", "[fd00::3]:6000-6002"]}
  mixed: {listen: "1.0.0.1:90", backends: ["[fd00::2]:9000", "10.0.0.2:9000", "10.0.0.3:9000"]}
)";

struct Asked {
    const char* endpoint;
    std::vector<const char*> backends;  // in the order of the configuration, with the port for the endpoint's
};
const std::vector<Asked> of_one_family = {
    {"1.0.0.1:80", {"10.0.0.2:8080", "10.0.0.3:8081"}},
    {"[2001:db8::1]:80", {"[fd00::2]:8080", "[fd00::3]:8081"}},
    {"1.0.0.1:5001", {"10.0.0.2:5001", "10.0.0.3:5001"}},
    {"1.0.0.1:6002", {"10.0.0.2:7002", "10.0.0.3:6002"}},
    {"[2001:db8::1]:6001", {"[fd00::2]:7001", "[fd00::3]:6001"}},
};

std::vector<Ip> client_addresses(Family family) {
    std::vector<Ip> addresses;
    for (int i = 100; i <= 116; ++i) {
        addresses.push_back(*Ip::parse((family == Family::v4 ? "1.0.0." : "2001:db8::") + std::to_string(i)));
    }
    return addresses;
}

class SourceHash : public testing::TestWithParam<std::string> {
protected:
    SourceHash() : lab_(yaml, GetParam()) {}
    void SetUp() override {
        ASSERT_TRUE(lab_);
        command(lab_->host("client"),
                "for i in $(seq 101 116); do ip address add 1.0.0.$i/24 dev eth0; "
                "ip address add 2001:db8::$i/64 dev eth0 nodad; done");
    }

    // Who answers, as the backend itself says.
    Endpoint answering(Protocol protocol, const Ip& client, const Endpoint& asked) const {
        const auto answer = lab::ask(lab_->host("client"), {protocol, {client, 0}, asked}, ProxyHeader::none, patience);
        EXPECT_TRUE(answer) << answer.error().message << "\n" << lab_->daemon_log();
        return answer ? answer->greeting.leg.destination : Endpoint{};
    }

    const TestLab lab_;
};

TEST_P(SourceHash, EveryClientKeepsItsBackendAndEveryBackendGetsClients) {
    for (const auto& [endpoint, backends] : of_one_family) {
        std::set<Endpoint> busy;
        for (const Ip& client : client_addresses(at(endpoint).ip.family())) {
            const Endpoint expected = at(backends[source_hash(client, backends.size())]);
            for (const Protocol protocol : {Protocol::tcp, Protocol::udp, Protocol::tcp, Protocol::udp}) {
                EXPECT_EQ(answering(protocol, client, at(endpoint)).str(), expected.str()) << client.str();
            }
            busy.insert(expected);
        }
        EXPECT_EQ(busy.size(), backends.size()) << endpoint;
    }
}

// What the model's vectors say of two clients, in words: 1.0.0.100 has the second backend, 1.0.0.102 the first.
TEST_P(SourceHash, TheBackendIsTheOneThatTheHashNames) {
    EXPECT_EQ(answering(Protocol::tcp, at("1.0.0.100").ip, at("1.0.0.1:80")), at("10.0.0.3:8081"));
    EXPECT_EQ(answering(Protocol::udp, at("1.0.0.102").ip, at("1.0.0.1:80")), at("10.0.0.2:8080"));
    EXPECT_EQ(answering(Protocol::tcp, at("2001:db8::100").ip, at("[2001:db8::1]:80")), at("[fd00::3]:8081"));
}

TEST_P(SourceHash, BackendsThatTheEngineCannotReachTakeNoClient) {
    const std::vector<const char*> all = {"[fd00::2]:9000", "10.0.0.2:9000", "10.0.0.3:9000"};
    const std::vector<const char*> reachable =
        abilities_of(GetParam()).cross_family ? all : std::vector<const char*>(all.begin() + 1, all.end());
    for (const Ip& client : client_addresses(Family::v4)) {
        EXPECT_EQ(answering(Protocol::tcp, client, at("1.0.0.1:90")).str(),
                  reachable[source_hash(client, reachable.size())]);
    }
}

// The client that another proxy names counts, not that proxy.
TEST(SourceHashInTheProxy, GoesByTheClientOfTheProxyHeader) {
    const TestLab lab(R"(
services:
  web: {listen: 1.0.0.1:80, backends: [10.0.0.2:80, 10.0.0.3:80], balance: source_hash,
        proxy_protocol: {accept_from: 1.0.0.100}}
)",
                      "proxy", TestLab::Backends::none);
    ASSERT_TRUE(lab);
    const Fd first = listen_on(lab->host("server1"), at("10.0.0.2:80"));
    const Fd second = listen_on(lab->host("server2"), at("10.0.0.3:80"));
    std::set<size_t> busy;
    for (const char* named : {"203.0.113.1:40000", "203.0.113.2:40000", "203.0.113.3:40000", "203.0.113.4:40000",
                              "203.0.113.5:40000", "203.0.113.6:40000"}) {
        const Fd client = dial(lab->host("client"), at("1.0.0.1:80"));
        ASSERT_TRUE(send_all(
            client, lab::write_proxy_header(ProxyHeader::v2, Protocol::tcp, at(named), at("198.51.100.1:80")) + "x"));
        const size_t index = source_hash(at(named).ip, 2);
        EXPECT_EQ(receive(accept_from(index == 0 ? first : second), 1), "x") << named;
        busy.insert(index);
    }
    EXPECT_EQ(busy.size(), 2u);
}

// 1.0.0.100 has the second of two backends, which nobody runs: the one after it, the first again, is tried.
TEST(SourceHashInTheProxy, TriesTheNextBackendInOrderWhereOneRefuses) {
    const TestLab lab(R"(
services:
  web: {listen: 1.0.0.1:80, backends: [10.0.0.2:80, 10.0.0.3:80], balance: source_hash}
)",
                      "proxy", TestLab::Backends::none);
    ASSERT_TRUE(lab);
    const Fd first = listen_on(lab->host("server1"), at("10.0.0.2:80"));
    const Meeting meeting = meet(lab->host("client"), at("1.0.0.1:80"), {&first});
    ASSERT_TRUE(meeting.conversation) << strerror(meeting.refused_with);
    EXPECT_TRUE(meeting.conversation->alive());
    EXPECT_EQ(lab.stats("web").refused_for(Refusal::backend), 0u);
}

INSTANTIATE_TEST_SUITE_P(Engines, SourceHash, testing::ValuesIn(engine_names()),
                         [](const auto& engine) { return engine.param; });

}  // namespace
}  // namespace hairpin
