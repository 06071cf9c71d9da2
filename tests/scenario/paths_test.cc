// Whoever uses the external endpoint gets the service, wherever they stand: every path, protocol and pair of families.
//
//                        ╭─ gateway ────────────╮               ╭─ server1 ──╮
//                        │ ext              int │           ╭───┤ 10.0.0.2   │
//   ╭─ client ──────╮    │ 1.0.0.1     10.0.0.1 ├── switch ─┤   ╭─ server2 ──╮
//   │ 1.0.0.100     ├────┤ 2001:db8::1  fd00::1 │           ├───┤ fd00::2    │
//   │ 2001:db8::100 │    │                      │           │   ╭─ peer ─────╮
//   ╰───────────────╯    │                      │           ╰───┤ 10.0.0.50  │
//                        │                 int2 │               │ fd00::50   │
//                        │             10.0.1.1 │               ╭─ routed ───────╮
//                        │        fd00:0:0:1::1 ├───────────────┤ 10.0.1.100     │
//                        ╰──────────────────────╯               │ fd00:0:0:1::100│
#include <gtest/gtest.h>

#include <map>
#include <ostream>
#include <tuple>

#include "engines/registry.h"
#include "lab/prober.h"
#include "support/test_lab.h"

namespace hairpin {
namespace {

constexpr std::string_view yaml = R"(
services:
  v4_to_v4: {listen: "1.0.0.1:1044", backends: ["10.0.0.2:2044"], protocol: both}
  v4_to_v6: {listen: "1.0.0.1:1046", backends: ["[fd00::2]:2046"], protocol: both}
  v6_to_v4: {listen: "[2001:db8::1]:1064", backends: ["10.0.0.2:2064"], protocol: both}
  v6_to_v6: {listen: "[2001:db8::1]:1066", backends: ["[fd00::2]:2066"], protocol: both}
)";

struct Pair {
    const char* service;
    const char* endpoint;
    const char* backend;
    const char* gateway;  // its address that faces the backend
};
void PrintTo(const Pair& pair, std::ostream* out) { *out << pair.service; }
constexpr Pair pairs[] = {
    {"v4_to_v4", "1.0.0.1:1044", "10.0.0.2:2044", "10.0.0.1"},
    {"v4_to_v6", "1.0.0.1:1046", "[fd00::2]:2046", "fd00::1"},
    {"v6_to_v4", "[2001:db8::1]:1064", "10.0.0.2:2064", "10.0.0.1"},
    {"v6_to_v6", "[2001:db8::1]:1066", "[fd00::2]:2066", "fd00::1"},
};

struct Client {
    const char* host;
    const char* v4;
    const char* v6;
};
const std::map<Path, Client> clients = {
    {Path::external, {"client", "1.0.0.100", "2001:db8::100"}},
    {Path::routed, {"routed", "10.0.1.100", "fd00:0:0:1::100"}},
    {Path::peer, {"peer", "10.0.0.50", "fd00::50"}},
    {Path::self, {"", "10.0.0.2", "fd00::2"}},
    {Path::local, {"gateway", "1.0.0.1", "2001:db8::1"}},
};

using Case = std::tuple<std::string, Pair, Protocol, Path>;

class Paths : public testing::TestWithParam<Case> {
protected:
    // One lab an engine for all its cases.
    static const TestLab& lab(const std::string& engine) {
        auto& lab = labs_[engine];
        if (!lab) lab = std::make_unique<TestLab>(yaml, engine);
        return *lab;
    }
    static void TearDownTestSuite() { labs_.clear(); }

private:
    static inline std::map<std::string, std::unique_ptr<TestLab>> labs_;
};

TEST_P(Paths, ServiceAnswers) {
    const auto& [engine, pair, protocol, path] = GetParam();
    const Abilities abilities = abilities_of(engine);
    const Endpoint endpoint = *Endpoint::parse(pair.endpoint);
    const Endpoint backend = *Endpoint::parse(pair.backend);
    const bool one_family = endpoint.ip.family() == backend.ip.family();
    if (!one_family && !abilities.cross_family) GTEST_SKIP() << "gap: " << engine << " cannot join IPv4 and IPv6";
    const TestLab& test_lab = lab(engine);
    ASSERT_TRUE(test_lab);

    const Client& client = clients.at(path);
    const Ip source = *Ip::parse(endpoint.ip.is_v4() ? client.v4 : client.v6);
    const std::string host = path != Path::self ? client.host : backend.ip.is_v4() ? "server1" : "server2";
    const ServiceStats before = test_lab.stats(pair.service);
    const auto answer = lab::ask(test_lab->host(host), {protocol, {source, 0}, endpoint}, ProxyHeader::none, patience);
    ASSERT_TRUE(answer) << answer.error().message << "\n" << test_lab->daemon_log();

    EXPECT_EQ(answer->greeting.leg.destination, backend);
    const bool keeps = abilities.foreign_source && (path == Path::external || path == Path::routed);
    const Ip expected = !one_family ? *Ip::parse(pair.gateway) : keeps ? source : endpoint.ip;
    EXPECT_EQ(answer->greeting.leg.source.ip.str(), expected.str());

    // A counter may follow the bytes that it counts by a moment. Engines that never see a stream count its packets.
    ServiceStats after;
    const std::string service = pair.service;  // clang 14 cannot capture a structured binding
    const bool counts_payload = engine == "proxy";
    EXPECT_TRUE(wait_for([&] {
        after = test_lab.stats(service);
        const uint64_t sent = after.bytes_to_backends - before.bytes_to_backends;
        const uint64_t received = after.bytes_to_clients - before.bytes_to_clients;
        const uint64_t greeting = answer->greeting.str().size() + 1;
        return sent > 0 && (counts_payload ? received == sent + greeting : received > greeting);
    })) << "the client gets the greeting and what it sent";
    // Both protocols and all paths share the counters of a service; only this one may have moved.
    for (const Path other : all_paths) {
        EXPECT_EQ(after.accepted_on(other) - before.accepted_on(other), other == path ? 1 : 0) << name(other);
    }
    EXPECT_EQ(after.refused, before.refused);
}

// A client of one family is no peer of a backend of the other one, and never the backend itself.
std::vector<Case> cases() {
    std::vector<Case> all;
    for (const EngineEntry& engine : engines()) {
        for (const Pair& pair : pairs) {
            const bool one_family = (pair.endpoint[0] == '[') == (pair.backend[0] == '[');
            for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
                for (const Path path : all_paths) {
                    if (!one_family && (path == Path::peer || path == Path::self)) continue;
                    all.push_back({std::string(engine.name), pair, protocol, path});
                }
            }
        }
    }
    return all;
}

std::string name_of(const testing::TestParamInfo<Case>& info) {
    const auto& [engine, pair, protocol, path] = info.param;
    return engine + "_" + pair.service + "_" + std::string(name(protocol)) + "_" + std::string(name(path));
}

INSTANTIATE_TEST_SUITE_P(Every, Paths, testing::ValuesIn(cases()), name_of);

}  // namespace
}  // namespace hairpin
