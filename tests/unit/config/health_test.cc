// The key `health` of a service.
#include <gtest/gtest.h>

#include "config/config.h"

namespace hairpin {
namespace {

using namespace std::chrono_literals;

// Of a service with this value, after what stands before it in the file.
Shared<HealthCheck> health(const std::string& value, const std::string& before = "") {
    const Config config =
        parse_config(before + "services: {a: {listen: 1.0.0.1:80, backends: 10.0.0.2:80, protocol: both" + value + "}}",
                     "test.yaml");
    for (const Diagnostic& error : config.errors) ADD_FAILURE() << error.str();
    return config.services.empty() ? Shared<HealthCheck>() : config.services.front().health;
}

HealthCheck check(const std::string& keys) {
    const auto read = health(", health: {" + keys + "}");
    return read ? *read : HealthCheck();
}

TEST(ParseHealth, IsNoneUnlessAskedFor) {
    EXPECT_FALSE(health(""));
    EXPECT_FALSE(health(", health: none"));
    EXPECT_EQ(*health(", health: tcp"), HealthCheck());
    EXPECT_EQ(check("interval: 2s"), HealthCheck());
    EXPECT_EQ(*health(", health: http"), check("kind: http"));
}

TEST(ParseHealth, KeysOfAllKinds) {
    const HealthCheck all = check(
        "port: 81, interval: 5s, timeout: 500ms, rise: 4, fall: 5, when_none: refuse, "
        "panic_threshold: 40");
    EXPECT_EQ(all.kind, CheckKind::tcp);
    EXPECT_EQ(all.port, 81);
    EXPECT_EQ(all.interval, 5s);
    EXPECT_EQ(all.timeout, 500ms);
    EXPECT_EQ(all.rise, 4u);
    EXPECT_EQ(all.fall, 5u);
    EXPECT_EQ(all.when_none, WhenNone::refuse);
    EXPECT_EQ(all.panic_threshold, 40u);
}

TEST(ParseHealth, KeysOfEachKind) {
    const HealthCheck tcp = check(R"(send: "PING\r\n", expect: PONG)");
    EXPECT_EQ(tcp.send, "PING\r\n");
    EXPECT_EQ(tcp.expect, "PONG");
    EXPECT_EQ(check(R"(kind: udp, send: "\x00\x01")").send, std::string("\0\1", 2));

    const HealthCheck http = check("kind: https, path: /health?deep=1, host: www.example.org, status: [200, 204-299]");
    EXPECT_EQ(http.kind, CheckKind::https);
    EXPECT_EQ(http.path, "/health?deep=1");
    EXPECT_EQ(http.host, "www.example.org");
    EXPECT_EQ(http.status, (std::vector<StatusRange>{{200, 200}, {204, 299}}));

    const HealthCheck command = check("command: [/usr/bin/check, --port, 80]");
    EXPECT_EQ(command.kind, CheckKind::command);
    EXPECT_EQ(command.command, (std::vector<std::string>{"/usr/bin/check", "--port", "80"}));
    EXPECT_EQ(check("command: /usr/bin/check").command, std::vector<std::string>{"/usr/bin/check"});

    EXPECT_EQ(check("kind: udp").via, CheckVia::backend);
    EXPECT_EQ(check("kind: udp, via: endpoint").via, CheckVia::endpoint);
}

TEST(ParseHealth, PassiveBesideChecksOrAlone) {
    const HealthCheck both = check("kind: http, passive: {failures: 5, for: 1m}");
    EXPECT_EQ(both.kind, CheckKind::http);
    EXPECT_EQ(both.passive, (PassiveCheck{5, 1min}));
    const HealthCheck alone = check("kind: none, passive: {for: 2s}, when_none: refuse");
    EXPECT_EQ(alone.kind, CheckKind::none);
    EXPECT_EQ(alone.passive, (PassiveCheck{3, 2s}));
    EXPECT_FALSE(check("kind: tcp").passive);
}

TEST(ParseHealth, DefaultsHoldUntilAServiceGivesItsOwn) {
    const std::string defaults = "defaults: {health: {kind: http, interval: 5s}}\n";
    EXPECT_EQ(health("", defaults)->interval, 5s);
    EXPECT_EQ(*health(", health: tcp", defaults), HealthCheck());
    EXPECT_FALSE(health(", health: none", defaults));
}

TEST(StatusRange, IsOneStatusOrARange) {
    EXPECT_EQ(*StatusRange::parse("200"), (StatusRange{200, 200}));
    EXPECT_EQ(*StatusRange::parse("200-399"), (StatusRange{200, 399}));
    EXPECT_EQ(StatusRange::parse("200-399")->str(), "200-399");
    for (const char* wrong : {"", "20", "2000", "99", "600", "300-200", "200-", "-200", "2xx", "200-299-399"}) {
        EXPECT_FALSE(StatusRange::parse(wrong)) << wrong;
    }
}

}  // namespace
}  // namespace hairpin
