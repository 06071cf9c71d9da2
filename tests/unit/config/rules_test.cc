// parse_rules(): services and mistakes on the command line.
#include <gtest/gtest.h>

#include "config/config.h"

namespace hairpin {
namespace {

Config parse(std::vector<std::string> rules) { return parse_rules(rules); }

std::vector<std::string> errors_of(const Config& config) {
    std::vector<std::string> errors;
    for (const Diagnostic& error : config.errors) errors.push_back(error.str());
    return errors;
}

EndpointRange range(std::string_view text) { return *EndpointRange::parse(text); }

TEST(ParseRules, EachRuleIsAService) {
    const Config config = parse({"1.0.0.1:5432=10.0.0.2:54321", "[fd00::1]:80=[fd00::2]:80,[fd00::3]:80/both"});
    EXPECT_EQ(errors_of(config), std::vector<std::string>());
    Service first;
    first.name = "1.0.0.1:5432";
    first.listen = {range("1.0.0.1:5432")};
    first.backends = {{range("10.0.0.2:54321")}};
    Service second;
    second.name = "[fd00::1]:80/both";
    second.protocols = Protocols::both;
    second.listen = {range("[fd00::1]:80")};
    second.backends = {{range("[fd00::2]:80")}, {range("[fd00::3]:80")}};
    EXPECT_EQ(config.services, (std::vector{first, second}));
}

TEST(ParseRules, ABackendMayHaveAWeight) {
    const Config config = parse({"1.0.0.1:80=10.0.0.2:80@3,10.0.0.3:80,[fd00::2]:80@0/both"});
    EXPECT_EQ(errors_of(config), std::vector<std::string>());
    ASSERT_EQ(config.services.size(), 1u);
    EXPECT_EQ(config.services[0].backends,
              (std::vector<Backend>{{range("10.0.0.2:80"), 3}, {range("10.0.0.3:80")}, {range("[fd00::2]:80"), 0}}));
    EXPECT_EQ(errors_of(parse({"1.0.0.1:80=10.0.0.2:80@x,10.0.0.3:80@300"})),
              (std::vector<std::string>{
                  "argument 1: '1.0.0.1:80=10.0.0.2:80@x,10.0.0.3:80@300': backends[0]: the weight 'x' is not a whole "
                  "number",
                  "argument 1: '1.0.0.1:80=10.0.0.2:80@x,10.0.0.3:80@300': backends[1]: the weight '300' is out of "
                  "range: write 0 to 256",
              }));
}

TEST(ParseRules, OneEndpointMayServeTcpAndUdpApart) {
    const Config config = parse({"1.0.0.1:53=10.0.0.2:53/udp", "1.0.0.1:53=10.0.0.3:53/tcp"});
    EXPECT_EQ(errors_of(config), std::vector<std::string>());
    ASSERT_EQ(config.services.size(), 2u);
    EXPECT_NE(config.services[0].name, config.services[1].name);
}

TEST(ParseRules, EveryMistakeNamesItsArgument) {
    const Config config =
        parse({"1.0.0.1:80", "1.0.0.1:81=10.0.0.2", "1.0.0.1=10.0.0.2:80,/sctp", "1.0.0.1:82=10.0.0.2:82", "\x1b[31m"});
    EXPECT_EQ(
        errors_of(config),
        (std::vector<std::string>{
            "argument 1: '1.0.0.1:80': lacks '=': write ENDPOINT=BACKEND, as in 1.0.0.1:80=10.0.0.2:8080; a file is "
            "given with -c FILE",
            "argument 2: '1.0.0.1:81=10.0.0.2': backends[0]: '10.0.0.2' lacks a port: write ADDRESS:PORT",
            "argument 3: '1.0.0.1=10.0.0.2:80,/sctp': '/sctp' is not a protocol: write /tcp, /udp or /both",
            "argument 3: '1.0.0.1=10.0.0.2:80,/sctp': listen: '1.0.0.1' lacks a port: write ADDRESS:PORT",
            "argument 3: '1.0.0.1=10.0.0.2:80,/sctp': backends[1]: is empty: write ADDRESS:PORT",
            "argument 5: '?[31m': holds something else than printable ASCII",
        }));
    EXPECT_TRUE(config.services.empty());
}

TEST(ParseRules, AUrlIsTakenForNothingElse) {
    EXPECT_EQ(errors_of(parse({"http://1.0.0.1:80=http://10.0.0.2:80", "https://1.0.0.1=tcp://app.lan/udp"})),
              (std::vector<std::string>{
                  "argument 1: 'http://1.0.0.1:80=http://10.0.0.2:80': listen: 'http://1.0.0.1:80' is a URL: leave out "
                  "http://",
                  "argument 1: 'http://1.0.0.1:80=http://10.0.0.2:80': backends[0]: 'http://10.0.0.2:80' is a URL: "
                  "leave out http://",
                  "argument 2: 'https://1.0.0.1=tcp://app.lan/udp': listen: 'https://1.0.0.1' is a URL: leave out "
                  "https://",
                  "argument 2: 'https://1.0.0.1=tcp://app.lan/udp': backends[0]: 'tcp://app.lan' is a URL: leave out "
                  "tcp://",
              }));
}

TEST(ParseRules, AFileIsNoRule) {
    EXPECT_EQ(errors_of(parse({"/etc/hairpin/hairpin.yaml"})),
              (std::vector<std::string>{"argument 1: '/etc/hairpin/hairpin.yaml': lacks '=': write ENDPOINT=BACKEND, "
                                        "as in 1.0.0.1:80=10.0.0.2:8080; a file is given with -c FILE"}));
}

TEST(ParseRules, TheSameEndpointTwiceIsOneOverlapAtTheLaterRule) {
    std::vector<std::string> rules;
    for (int port = 1; port <= 11; ++port) rules.push_back("1.0.0.1:" + std::to_string(port) + "=10.0.0.2:80");
    rules.push_back("1.0.0.1:2=10.0.0.3:80");
    rules.insert(rules.begin() + 3, "bad");
    const auto errors = errors_of(parse(rules));
    ASSERT_EQ(errors.size(), 2u);
    EXPECT_TRUE(errors[0].starts_with("argument 4: 'bad'")) << errors[0];
    EXPECT_TRUE(errors[1].starts_with("argument 13: '1.0.0.1:2=10.0.0.3:80': listen: 1.0.0.1:2 overlaps")) << errors[1];
}

TEST(ParseRules, AtNamesTheArgument) {
    const Config config = parse({"1.0.0.1:80=10.0.0.2:80", "1.0.0.1:81=10.0.0.2:81,10.0.0.3:81"});
    EXPECT_EQ(config.at({1, Place::Key::backends, 1}, "x").str(),
              "argument 2: '1.0.0.1:81=10.0.0.2:81,10.0.0.3:81': backends[1]: x");
    EXPECT_EQ(config.at({0, Place::Key::source}, "x").str(), "argument 1: '1.0.0.1:80=10.0.0.2:80': x");
}

TEST(Rules, MayListenOnALink) {
    const std::vector<std::string> rules = {"eth0:53=10.0.0.2:5353/udp"};
    const Config config = parse_rules(rules);
    ASSERT_TRUE(config.errors.empty()) << config.errors.front().str();
    EXPECT_EQ(config.services.front().name, "eth0:53/udp");
    EXPECT_EQ(config.services.front().listen_links, (std::vector<LinkListen>{{"eth0", {53, 53}}}));
    EXPECT_TRUE(config.services.front().listen.empty());
}

}  // namespace
}  // namespace hairpin
