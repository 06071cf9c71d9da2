// Every source policy on every path, over TCP and UDP, IPv4 and IPv6, as `hairpin lab` proves it: 80 cells and more.
//
//                    ╭─ gateway ──────────────╮               ╭─ server1 ──╮
//   client ──────────┤ 1.0.0.1      10.0.0.1  ├── switch ─┬───┤ 10.0.0.2   │
//   1.0.0.100        │ 2001:db8::1  fd00::1   │           │   ╭─ server2 ──╮
//   2001:db8::100    │                        │           ├───┤ fd00::2    │
//                    │              10.0.1.1  ├─ routed   │   ╭─ peer ─────╮
//                    ╰────────────────────────╯           ╰───┤ 10.0.0.50  │
//                                                             │ fd00::50   │
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "lab/prober.h"
#include "support/binary.h"
#include "support/test_lab.h"

namespace hairpin {
namespace {

constexpr std::string_view of_every_engine = R"(
services:
  auto.v4: {listen: "1.0.0.1:1001", backends: "10.0.0.2:2001", protocol: both, source: auto}
  auto.v6: {listen: "[2001:db8::1]:1001", backends: "[fd00::2]:2001", protocol: both, source: auto}
  external.v4: {listen: "1.0.0.1:1002", backends: "10.0.0.2:2002", protocol: both, source: external}
  external.v6: {listen: "[2001:db8::1]:1002", backends: "[fd00::2]:2002", protocol: both, source: external}
  gateway.v4: {listen: "1.0.0.1:1003", backends: "10.0.0.2:2003", protocol: both, source: gateway}
  gateway.v6: {listen: "[2001:db8::1]:1003", backends: "[fd00::2]:2003", protocol: both, source: gateway}
)";
constexpr std::string_view of_translating_engines = R"(
  map.v4: {listen: "1.0.0.1:1004", backends: "10.0.0.2:2004", protocol: both, source: {map: 10.99.0.0/24}}
  map.v6: {listen: "[2001:db8::1]:1004", backends: "[fd00::2]:2004", protocol: both, source: {map: "fd99::/64"}}
)";
constexpr std::string_view keep = R"(
services:
  keep.v4: {listen: "1.0.0.1:1005", backends: "10.0.0.2:2005", protocol: both, source: keep}
  keep.v6: {listen: "[2001:db8::1]:1005", backends: "[fd00::2]:2005", protocol: both, source: keep}
)";

// By path and family.
using Sources = std::map<std::string, std::array<const char*, 2>>;
const Sources own = {{"external", {"1.0.0.100", "2001:db8::100"}},
                     {"routed", {"10.0.1.100", "fd00:0:0:1::100"}},
                     {"peer", {"10.0.0.50", "fd00::50"}},
                     {"self", {"10.0.0.2", "fd00::2"}},
                     {"local", {"1.0.0.1", "2001:db8::1"}}};
constexpr std::array external = {"1.0.0.1", "2001:db8::1"};
constexpr std::array facing = {"10.0.0.1", "fd00::1"};
const Sources mapped = {{"peer", {"10.99.0.50", "fd99::50"}}, {"self", {"10.99.0.2", "fd99::2"}}};

std::string declared(const std::string& policy, const std::string& path, bool v6, bool keeps_clients) {
    const bool comes_back = path == "external" || path == "routed";
    const bool translates_all = policy == "external" || policy == "gateway";
    if (comes_back && keeps_clients && !translates_all) return own.at(path)[v6];
    if (policy == "map" && path != "local") return mapped.at(path)[v6];
    return policy == "gateway" ? facing[v6] : external[v6];
}

struct Proof {
    int exit_status = -1;
    nlohmann::json rows;
};

Proof prove(std::string_view yaml, const std::string& engine) {
    const TemporaryFile file(yaml);
    FILE* pipe = popen((hairpin_binary() + " lab " + file.path() + " --json --engine " + engine).c_str(), "r");
    std::string output;
    std::array<char, 4096> buffer{};
    while (const size_t size = fread(buffer.data(), 1, buffer.size(), pipe)) output.append(buffer.data(), size);
    const int status = pclose(pipe);
    auto json = nlohmann::json::parse(output, nullptr, false);
    EXPECT_FALSE(json.is_discarded()) << output;
    return {WEXITSTATUS(status), json.is_discarded() ? nlohmann::json::array() : json["rows"]};
}

// How many of the rows show what is declared, but for clients that ask the backend itself.
size_t count_as_declared(const Proof& proof, bool keeps_clients) {
    size_t cells = 0;
    for (const auto& row : proof.rows) {
        const std::string path = row["path"];
        if (path == "direct") continue;
        const std::string service = row["service"];
        EXPECT_EQ(row["verdict"], "ok") << row;
        const size_t dot = service.find('.');
        EXPECT_EQ(row["source_seen"],
                  declared(service.substr(0, dot), path, service.substr(dot) == ".v6", keeps_clients))
            << row;
        ++cells;
    }
    return cells;
}

class Policies : public testing::TestWithParam<std::string> {};

TEST_P(Policies, AreAsDeclaredInEveryCell) {
    const bool translates = abilities_of(GetParam()).foreign_source;
    const Proof proof =
        prove(std::string(of_every_engine) + std::string(translates ? of_translating_engines : ""), GetParam());
    EXPECT_EQ(proof.exit_status, 0);
    EXPECT_EQ(count_as_declared(proof, translates), translates ? 80u : 60u);
}

// Those beside the backend would be answered past the gateway, as the documentation says.
TEST_P(Policies, KeepServesThoseWhoseRepliesComeBack) {
    if (!abilities_of(GetParam()).foreign_source) GTEST_SKIP() << "gap: " << GetParam() << " refuses source: keep";
    const TestLab test_lab(keep, GetParam());
    ASSERT_TRUE(test_lab);
    constexpr std::array services = {"1.0.0.1:1005", "[2001:db8::1]:1005"};
    for (const auto& [path, host] : {std::pair("external", "client"), {"routed", "routed"}, {"local", "gateway"}}) {
        for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
            for (const bool v6 : {false, true}) {
                const char* address = own.at(path)[v6];
                const Leg asked{protocol, {*Ip::parse(address), 0}, *Endpoint::parse(services[v6])};
                const auto answer = lab::ask(test_lab->host(host), asked, ProxyHeader::none, patience);
                EXPECT_EQ(answer ? answer->greeting.leg.source.ip.str() : answer.error().message, address) << path;
            }
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Every, Policies, testing::ValuesIn(engine_names()),
                         [](const auto& engine) { return engine.param; });

}  // namespace
}  // namespace hairpin
