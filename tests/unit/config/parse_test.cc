// parse_config(): every key to its field, and every value to its place.
#include <gtest/gtest.h>

#include "config/config.h"
#include "unit/model/values.h"

namespace hairpin {
namespace {

using namespace std::chrono_literals;

Config accepted(std::string_view text) {
    Config config = parse_config(text, "test.yaml");
    for (const Diagnostic& error : config.errors) ADD_FAILURE() << error.str();
    return config;
}

Service only_service(std::string_view keys) {
    Config config = accepted("services: {a: {listen: 1.0.0.1:80, backends: 10.0.0.2:80, " + std::string(keys) + "}}");
    return config.services.empty() ? Service() : config.services.front();
}

TEST(ParseConfig, TheDefaultExample) {
    const Config config = accepted(R"(
services:
  srv1: {listen: 1.0.0.1:5432, backends: [10.0.0.2:54321]}
  srv2: {listen: 1.0.0.1:1234, backends: [10.0.0.3:12345]}
)");
    Service srv1;
    srv1.name = "srv1";
    srv1.listen = {range("1.0.0.1:5432")};
    srv1.backends = {{range("10.0.0.2:54321")}};
    Service srv2;
    srv2.name = "srv2";
    srv2.listen = {range("1.0.0.1:1234")};
    srv2.backends = {{range("10.0.0.3:12345")}};
    EXPECT_EQ(config.services, (std::vector{srv1, srv2}));
    EXPECT_EQ(config.settings, Settings());
}

TEST(ParseConfig, Settings) {
    const Config config = accepted(R"(
engine: proxy
threads: 3
drain_timeout: 0s
api: {socket: /run/gateway.sock, group: adm, listen: "[::1]:8053"}
services: {a: {listen: 1.0.0.1:80, backends: 10.0.0.2:80}}
)");
    EXPECT_EQ(config.settings, (Settings{.engine = "proxy",
                                         .threads = 3,
                                         .drain_timeout = 0ms,
                                         .api = {"/run/gateway.sock", "adm", *Endpoint::parse("[::1]:8053")}}));
    EXPECT_EQ(accepted("threads: auto\nservices: {a: {listen: 1.0.0.1:80, backends: 10.0.0.2:80}}").settings.threads,
              0);
}

TEST(ParseConfig, ListenAndBackendsTakeOneValueOrAList) {
    const Config config = accepted(R"(
services:
  a:
    listen: [1.0.0.1:100-109, "[2001:db8:1::1]:100-109"]
    backends:
      - 10.0.0.2:200-209
      - "[fd00::2]:300-309"
)");
    ASSERT_EQ(config.services.size(), 1u);
    EXPECT_EQ(config.services[0].listen, (std::vector{range("1.0.0.1:100-109"), range("[2001:db8:1::1]:100-109")}));
    EXPECT_EQ(config.services[0].backends,
              (std::vector<Backend>{{range("10.0.0.2:200-209")}, {range("[fd00::2]:300-309")}}));
}

TEST(ParseConfig, ABackendMayHaveAWeight) {
    const Config config = accepted(R"(
services:
  a: {listen: 1.0.0.1:80, backends: [{endpoint: 10.0.0.2:80, weight: 3}, 10.0.0.3:80, {endpoint: 10.0.0.4:80}]}
  b: {listen: 1.0.0.1:81, backends: {endpoint: 10.0.0.2:80, weight: 256}}
)");
    ASSERT_EQ(config.services.size(), 2u);
    EXPECT_EQ(config.services[0].backends,
              (std::vector<Backend>{{range("10.0.0.2:80"), 3}, {range("10.0.0.3:80"), 1}, {range("10.0.0.4:80"), 1}}));
    EXPECT_EQ(config.services[1].backends, (std::vector<Backend>{{range("10.0.0.2:80"), 256}}));
}

TEST(ParseConfig, KeysOfAService) {
    EXPECT_EQ(only_service("protocol: udp").protocols, Protocols::udp);
    EXPECT_EQ(only_service("protocol: both").protocols, Protocols::both);
    EXPECT_EQ(only_service("balance: maglev").balance, Balance::maglev);
    EXPECT_EQ(only_service("source: auto").source, SourcePolicy::automatic);
    EXPECT_EQ(only_service("source: external").source, SourcePolicy::external);
    EXPECT_EQ(only_service("source: gateway").source, SourcePolicy::gateway);
    EXPECT_EQ(only_service("source: keep").source, SourcePolicy::keep);
    EXPECT_EQ(only_service("connect_timeout: 250ms").connect_timeout, 250ms);
    EXPECT_EQ(only_service("idle_timeout: 2h").idle_timeout, 2h);
    EXPECT_EQ(only_service("drain_timeout: 30s").drain_timeout, 30s);
    EXPECT_EQ(only_service("tcp_idle_timeout: 1h").tcp_idle_timeout, 1h);
    EXPECT_EQ(only_service("idle_timeout: 2h").tcp_idle_timeout, std::nullopt);
    EXPECT_EQ(only_service("idle_timeout: 2h").drain_timeout, std::nullopt);
    EXPECT_EQ(only_service("max_sessions: 17").max_sessions, 17u);
}

TEST(ParseConfig, SourceMap) {
    const Service service = only_service("source: {map: [10.99.0.0/24, 'fd00:99::/64']}");
    EXPECT_EQ(service.source, SourcePolicy::map);
    EXPECT_EQ(service.source_map, (std::vector{prefix("10.99.0.0/24"), prefix("fd00:99::/64")}));
    EXPECT_EQ(only_service("source: {map: 10.99.0.0/24}").source_map, std::vector{prefix("10.99.0.0/24")});
}

TEST(ParseConfig, ProxyProtocol) {
    const Service service = only_service("proxy_protocol: {send: v2, accept_from: [192.0.2.1, 198.51.100.0/24]}");
    EXPECT_EQ(service.send_proxy, ProxyHeader::v2);
    EXPECT_EQ(service.accept_proxy_from, (std::vector{prefix("192.0.2.1/32"), prefix("198.51.100.0/24")}));
}

TEST(ParseConfig, AllowAndDeny) {
    const Service service = only_service("allow: 10.0.0.7, deny: [10.0.0.0/30, \"fd00::/64\"]");
    EXPECT_EQ(service.allow, prefixes({"10.0.0.7/32"})) << "an address alone is one host, and a single one no list";
    EXPECT_EQ(service.deny, prefixes({"10.0.0.0/30", "fd00::/64"}));
}

TEST(ParseConfig, LimitsOfTheServiceReplaceThoseOfTheDefaults) {
    const Config config = accepted(R"(
defaults: {limits: {connections: 9, new_per_second_per_client: 1}}
services:
  a: {listen: 1.0.0.1:80, backends: 10.0.0.2:80}
  b: {listen: 1.0.0.1:81, backends: 10.0.0.2:80, limits: {connections_per_client: 3, new_per_second: 1000000}}
)");
    const auto limits = [&](size_t service) { return config.services.at(service).limits.most; };
    EXPECT_EQ(limits(0), (std::array<uint32_t, 4>{0, 9, 1, 0}));
    EXPECT_EQ(limits(1), (std::array<uint32_t, 4>{3, 0, 0, 1'000'000}));
    EXPECT_FALSE(only_service("max_sessions: 17").limits.any());
}

// Ten thousand prefixes for a thousand services would be too much for each to have its own.
TEST(ParseConfig, ServicesShareTheListsOfTheDefaults) {
    std::string text = "defaults: {deny: [";
    for (int i = 0; i < 10'000; ++i)
        text += "10." + std::to_string(i / 250) + "." + std::to_string(i % 250) + ".0/25, ";
    text += "9.9.9.9]}\nservices:\n";
    for (int i = 1; i <= 1000; ++i) {
        text += "  s" + std::to_string(i) + ": {listen: 1.0.0.1:" + std::to_string(i) + ", backends: 10.0.0.2:80}\n";
    }
    text += "  open: {listen: 1.0.0.2:80, backends: 10.0.0.2:80, deny: 8.8.8.8}\n";
    const Config config = accepted(text);
    ASSERT_EQ(config.services.size(), 1001u);
    EXPECT_EQ(config.services[999].deny.written().data(), config.services[0].deny.written().data());
    EXPECT_EQ(config.services[1000].deny, prefixes({"8.8.8.8"})) << "a key replaces the default whole";
    EXPECT_LT(config.marks.size(), 20'000u) << "places of the defaults, too, are there once";
    EXPECT_EQ(config.at({500, Place::Key::deny, 10'000}, "x").str().substr(0, 12), "test.yaml:1:");
}

TEST(ParseConfig, DefaultsAreForServicesThatDoNotSay) {
    const Config config = accepted(R"(
services:
  a: {listen: 1.0.0.1:80, backends: 10.0.0.2:80}
  b: {listen: 1.0.0.1:81, backends: 10.0.0.2:81, source: keep, proxy_protocol: {send: v1}, idle_timeout: 4m}
defaults:
  source: {map: 10.99.0.0/24}
  proxy_protocol: {send: v2, accept_from: 192.0.2.1}
  idle_timeout: 3m
)");
    ASSERT_EQ(config.services.size(), 2u);
    const Service& a = config.services[0];
    EXPECT_EQ(a.source_map, std::vector{prefix("10.99.0.0/24")});
    EXPECT_EQ(a.send_proxy, ProxyHeader::v2);
    EXPECT_EQ(a.idle_timeout, 3min);
    const Service& b = config.services[1];
    EXPECT_EQ(b.source, SourcePolicy::keep);
    EXPECT_TRUE(b.source_map.empty());
    EXPECT_EQ(b.send_proxy, ProxyHeader::v1);
    EXPECT_TRUE(b.accept_proxy_from.empty()) << "a key replaces the default whole";
    EXPECT_EQ(b.idle_timeout, 4min);
}

TEST(ParseConfig, AnAliasIsTheValueThatItNames) {
    const Config config = accepted(R"(
services:
  a: {listen: 1.0.0.1:80, backends: &servers [10.0.0.2:80, 10.0.0.3:80]}
  b: {listen: 1.0.0.1:81, backends: *servers}
)");
    ASSERT_EQ(config.services.size(), 2u);
    EXPECT_EQ(config.services[1].backends, config.services[0].backends);
}

TEST(ParseConfig, AtNamesThePlaceOfAValue) {
    const Config config = accepted(R"(defaults: {source: gateway}
services:
  a: {listen: 1.0.0.1:80, backends: [10.0.0.2:80, 10.0.0.3:80]}
  b:
    backends: 10.0.0.2:81
    listen: 1.0.0.1:81
    proxy_protocol: {send: v1}
)");
    using Key = Place::Key;
    EXPECT_EQ(config.at({0, Key::service}, "x").str(), "test.yaml:3:3: a: x");
    EXPECT_EQ(config.at({0, Key::backends, 1}, "x").str(), "test.yaml:3:51: backends[1]: x");
    EXPECT_EQ(config.at({0, Key::proxy_protocol}, "x").str(), "test.yaml:3:3: a: x") << "not written: the service";
    EXPECT_EQ(config.at({0, Key::source}, "x").str(), "test.yaml:1:20: source: x") << "written in defaults";
    EXPECT_EQ(config.at({1, Key::listen, 0}, "x").str(), "test.yaml:6:13: listen: x");
    EXPECT_EQ(config.at({1, Key::proxy_protocol}, "x").str(), "test.yaml:7:21: proxy_protocol: x");
    EXPECT_EQ(config.at({7, Key::service}, "x").str(), "test.yaml: x") << "no such service";
}

TEST(ParseConfig, ByteOrderMarkAndCarriageReturnsAreNoContent) {
    EXPECT_EQ(accepted("\xef\xbb\xbfservices:\r\n  a: {listen: 1.0.0.1:80, backends: 10.0.0.2:80}\r\nthreads: 1\r\n")
                  .settings.threads,
              1);
}

TEST(ParseConfig, NamesBackends) {
    const Config config = accepted(R"(
resolvers: [10.0.0.53:53, "[fd00::53]:5353"]
services:
  a: {listen: 1.0.0.1:80, backends: [app.lan:8080, 10.0.0.2:80, {endpoint: "b.lan:81", weight: 2, backup: true}]}
  b: {listen: 1.0.0.1:81, backends: {srv: _http._tcp.app.lan}}
  c: {listen: 1.0.0.1:82, backends: [10.0.0.2:80, {endpoint: 10.0.0.3:80, backup: true}]}
)");
    ASSERT_EQ(config.services.size(), 3u);
    EXPECT_EQ(config.settings.resolvers, (std::vector{endpoint("10.0.0.53:53"), endpoint("[fd00::53]:5353")}));
    EXPECT_EQ(config.services[0].backend_names,
              (std::vector<BackendName>{{"app.lan", PortRange{8080, 8080}}, {"b.lan", PortRange{81, 81}, 2, true}}));
    EXPECT_EQ(config.services[0].backends, (std::vector<Backend>{{range("10.0.0.2:80")}}));
    EXPECT_EQ(config.services[1].backend_names, (std::vector<BackendName>{{"_http._tcp.app.lan", std::nullopt}}));
    EXPECT_EQ(config.services[2].backends,
              (std::vector<Backend>{{range("10.0.0.2:80")}, {range("10.0.0.3:80"), 1, true}}));
    EXPECT_EQ(config.at({0, Place::Key::backend_names, 1}, "x").str(), "test.yaml:4:76: backends[2].endpoint: x");
}

TEST(ParseConfig, ListensOnLinks) {
    const Config config = accepted(R"(
services:
  a: {listen: [eth0:80, 1.0.0.1:80, "wan.7:8000"], backends: 10.0.0.2:80}
  b: {listen: ppp0:5000-5009, backends: 10.0.0.2:6000-6009}
)");
    ASSERT_EQ(config.services.size(), 2u);
    EXPECT_EQ(config.services[0].listen_links, (std::vector<LinkListen>{{"eth0", {80, 80}}, {"wan.7", {8000, 8000}}}));
    EXPECT_EQ(config.services[0].listen, (std::vector{range("1.0.0.1:80")}));
    EXPECT_EQ(config.services[1].listen_links, (std::vector<LinkListen>{{"ppp0", {5000, 5009}}}));
    EXPECT_EQ(config.at({0, Place::Key::listen_links, 1}, "x").str(), "test.yaml:3:37: listen[2]: x");
}

TEST(ParseConfig, FurtherAddressesHaveTheSamePorts) {
    const Config config = accepted(R"(
defaults: {also: 203.0.113.9}
services:
  a: {listen: [1.0.0.1:80, 1.0.0.2:80, eth0:443], also: ["2001:db8::1", 203.0.113.7], backends: 10.0.0.2:80}
  b: {listen: eth0:81, backends: 10.0.0.2:80}
)");
    ASSERT_EQ(config.services.size(), 2u);
    EXPECT_EQ(config.services[0].listen,
              (std::vector{range("1.0.0.1:80"), range("1.0.0.2:80"), range("[2001:db8::1]:80"),
                           range("[2001:db8::1]:443"), range("203.0.113.7:80"), range("203.0.113.7:443")}));
    EXPECT_EQ(config.services[1].listen, (std::vector{range("203.0.113.9:81")}));
    EXPECT_EQ(config.at({0, Place::Key::listen, 4}, "x").str(), "test.yaml:4:73: also[1]: x");
}

}  // namespace
}  // namespace hairpin
