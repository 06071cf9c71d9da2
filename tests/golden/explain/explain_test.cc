// What `hairpin explain` says, letter by letter: tests/golden/explain/NAME.txt and .json.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/explanation_view.h"
#include "config/config.h"
#include "daemon/explanation.h"
#include "support/golden.h"

namespace hairpin {
namespace {

struct Case {
    const char* name;
    const char* client;
    const char* endpoint;
    Protocol protocol = Protocol::tcp;
    const char* backend = nullptr;
};

constexpr const char* configuration = R"(
services:
  srv1: {listen: 1.0.0.1:5432, backends: [10.0.0.2:54321]}
  srv2: {listen: 1.0.0.1:1234, backends: [10.0.0.3:12345]}
  pool: {listen: "1.0.0.1:8000-8009", protocol: both, backends: ["10.0.0.2:9000-9009", "10.0.1.3:9000-9009"]}
  kept: {listen: 1.0.0.1:25, backends: [10.0.0.3:25], source: keep}
  mapped: {listen: 1.0.0.1:53, protocol: udp, backends: [10.0.0.3:53], source: {map: 100.64.0.0/24}}
  six: {listen: "[2001:db8::1]:443", backends: [10.0.0.3:443], proxy_protocol: {send: v2}}
  hashed: {listen: "1.0.0.1:8443", backends: ["10.0.0.3:8443", "[fd00::3]:8443", "10.0.1.3:8443"], balance: source_hash,
           proxy_protocol: {accept_from: 203.0.113.0/24}}
  lost: {listen: 1.0.0.1:79, backends: [192.0.2.9:79]}
  weighed: {listen: 1.0.0.1:81, balance: maglev, backends: [{endpoint: 10.0.0.2:80, weight: 3}, 10.0.0.3:80,
            {endpoint: 10.0.1.3:80, weight: 0}]}
  guarded: {listen: 1.0.0.1:22, backends: [10.0.0.2:22, 10.0.0.3:22], allow: [10.0.0.0/8, 203.0.113.0/24],
            deny: [10.0.0.0/24, 10.0.0.3]}
  limited: {listen: ["1.0.0.1:24", "[2001:db8::1]:26"], backends: 10.0.0.2:24, limits: {connections: 100, connections_per_client: 5,
            new_per_second: 9, new_per_second_per_client: 1}}
  own: {listen: 1.0.0.1:28, backends: [10.0.0.2:24, 10.0.0.3:24], self: avoid}
  alone: {listen: 1.0.0.1:29, backends: 10.0.0.2:26, self: deny, balance: least_connections}
  behind: {listen: 1.0.0.1:23, backends: 10.0.0.2:23, allow: 1.0.0.0/24, proxy_protocol: {accept_from: 203.0.113.0/24}}
)";

// The gateway of docs/hairpinning.md, with a second inside network and without a default route.
Topology gateway() {
    const auto address = [](const char* text, int length, int link) { return Address{*Ip::parse(text), length, link}; };
    return {{{2, "ext"}, {3, "int"}, {4, "int2"}},
            {address("1.0.0.1", 24, 2), address("2001:db8::1", 64, 2), address("10.0.0.1", 24, 3),
             address("10.0.1.1", 24, 4)},
            {{*Prefix::parse("203.0.113.0/24"), *Ip::parse("1.0.0.254"), 2, 0}}};
}

// Two engines that differ in all that an engine can differ in, whatever the program has.
std::vector<EngineView> engines() {
    return {{"proxy",
             {.foreign_source = false, .cross_family = true},
             {{"kept", "cannot keep the client's address; use engine: nft", true},
              {"lost", "cannot send from the client's address", false}}},
            {"nft", {.foreign_source = true, .cross_family = false}, {}}};
}

class Explain : public testing::TestWithParam<Case> {
protected:
    void SetUp() override {
        const Config config = parse_config(configuration, "test.yaml");
        for (const Diagnostic& error : config.errors) ADD_FAILURE() << error.str();
        ruleset_ = Ruleset(config.services);
    }

    Explanation explanation() const {
        const auto ip = Ip::parse(GetParam().client);
        const Endpoint client = ip ? Endpoint{*ip, 0} : *Endpoint::parse(GetParam().client);
        const Leg leg = {GetParam().protocol, client, *Endpoint::parse(GetParam().endpoint)};
        std::optional<Ip> only;
        if (GetParam().backend) only = *Ip::parse(GetParam().backend);
        Explanation explanation = explain(ruleset_, gateway(), leg, engines(), only);
        explanation.network = "that of this test";
        return explanation;
    }

    Ruleset ruleset_;
};

TEST_P(Explain, text) {
    expect_golden(fmt::format("explain/{}.txt", GetParam().name), explanation_text(to_json(explanation()), false));
}

TEST_P(Explain, json) {
    expect_golden(fmt::format("explain/{}.json", GetParam().name), to_json(explanation()).dump(2) + "\n");
}

TEST_P(Explain, colour_changes_nothing_but_the_colour) {
    std::string text = explanation_text(to_json(explanation()), true);
    EXPECT_NE(text.find("\033["), std::string::npos);
    for (size_t at; (at = text.find("\033[")) != std::string::npos;) text.erase(at, text.find('m', at) - at + 1);
    EXPECT_EQ(text, explanation_text(to_json(explanation()), false));
}

constexpr Case cases[] = {
    {"external", "1.0.0.100", "1.0.0.1:5432"},
    {"beyond_a_router", "203.0.113.7:4000", "1.0.0.1:5432"},
    {"peer", "10.0.0.2", "1.0.0.1:1234"},
    {"self", "10.0.0.2", "1.0.0.1:5432"},
    {"routed", "10.0.1.9", "1.0.0.1:1234"},
    {"local", "10.0.0.1", "1.0.0.1:1234"},
    {"range_of_ports_and_two_backends", "10.0.0.2", "1.0.0.1:8003", Protocol::udp},
    {"one_backend", "10.0.0.2", "1.0.0.1:8003", Protocol::tcp, "10.0.1.3"},
    {"keep_from_a_peer", "10.0.0.2", "1.0.0.1:25"},
    {"keep_from_itself", "10.0.0.3", "1.0.0.1:25"},
    {"map", "10.0.0.2:5353", "1.0.0.1:53", Protocol::udp},
    {"other_family", "2001:db8::9", "[2001:db8::1]:443"},
    {"no_route", "1.0.0.100", "1.0.0.1:79"},
    {"direct", "10.0.0.2", "10.0.0.3:12345"},
    {"source_hash", "10.0.0.2", "1.0.0.1:8443"},
    {"source_hash_of_another_family", "1.0.0.100", "1.0.0.1:8443"},
    {"source_hash_by_a_header", "203.0.113.7", "1.0.0.1:8443"},
    {"maglev", "1.0.0.100", "1.0.0.1:81"},
    {"let_in", "10.0.1.9", "1.0.0.1:22"},
    {"denied", "10.0.0.3", "1.0.0.1:22"},
    {"not_allowed", "1.0.0.100", "1.0.0.1:22"},
    {"judged_by_a_header", "203.0.113.7", "1.0.0.1:23"},
    {"limited", "2001:db8::9", "[2001:db8::1]:26"},
    {"limited_inside", "10.0.0.3", "1.0.0.1:24"},
    {"avoids_itself", "10.0.0.2", "1.0.0.1:28"},
    {"denies_itself", "10.0.0.2", "1.0.0.1:29"},
    {"other_protocol", "10.0.0.2", "1.0.0.1:53"},
};

INSTANTIATE_TEST_SUITE_P(golden, Explain, testing::ValuesIn(cases),
                         [](const auto& param) { return std::string(param.param.name); });

}  // namespace
}  // namespace hairpin
