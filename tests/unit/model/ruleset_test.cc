// Looking an endpoint up: ranges, wildcards, protocols, and 100,000 services.
#include "model/ruleset.h"

#include <gtest/gtest.h>

#include "unit/model/values.h"

namespace hairpin {
namespace {

std::string found(const Ruleset& ruleset, Protocol protocol, std::string_view destination) {
    const auto match = ruleset.find(protocol, endpoint(destination));
    return match ? match->service->name : "";
}

Ruleset of(std::vector<Service> services) { return Ruleset(std::move(services)); }

TEST(Ruleset, FindsNothingWhenEmpty) {
    EXPECT_FALSE(Ruleset().find(Protocol::tcp, endpoint("1.0.0.1:80")));
    EXPECT_FALSE(Ruleset().is_external_address(ip("1.0.0.1")));
}

TEST(Ruleset, FindsTheServiceOfAnEndpoint) {
    const Ruleset r = of(
        {service("srv1", {"1.0.0.1:5432"}, {"10.0.0.2:54321"}), service("srv2", {"1.0.0.1:1234"}, {"10.0.0.3:12345"})});
    EXPECT_EQ(found(r, Protocol::tcp, "1.0.0.1:5432"), "srv1");
    EXPECT_EQ(found(r, Protocol::tcp, "1.0.0.1:1234"), "srv2");
    EXPECT_EQ(found(r, Protocol::tcp, "[::ffff:1.0.0.1]:1234"), "srv2");
    EXPECT_EQ(found(r, Protocol::tcp, "1.0.0.1:1235"), "");
    EXPECT_EQ(found(r, Protocol::tcp, "1.0.0.2:1234"), "");
    EXPECT_EQ(found(r, Protocol::tcp, "10.0.0.3:12345"), "");  // a backend's own endpoint is left alone
}

TEST(Ruleset, KeepsProtocolsApart) {
    const Ruleset r = of({service("t", {"1.0.0.1:1"}, {"10.0.0.2:1"}, Protocols::tcp),
                          service("u", {"1.0.0.1:1", "1.0.0.1:2"}, {"10.0.0.2:1"}, Protocols::udp),
                          service("b", {"1.0.0.1:3"}, {"10.0.0.2:1"}, Protocols::both)});
    EXPECT_EQ(found(r, Protocol::tcp, "1.0.0.1:1"), "t");
    EXPECT_EQ(found(r, Protocol::udp, "1.0.0.1:1"), "u");
    EXPECT_EQ(found(r, Protocol::tcp, "1.0.0.1:2"), "");
    EXPECT_EQ(found(r, Protocol::udp, "1.0.0.1:2"), "u");
    EXPECT_EQ(found(r, Protocol::tcp, "1.0.0.1:3"), "b");
    EXPECT_EQ(found(r, Protocol::udp, "1.0.0.1:3"), "b");
}

TEST(Ruleset, FindsEveryPortOfARangeAndNoneBeside) {
    const Ruleset r = of({service("low", {"1.0.0.1:1-99"}, {"10.0.0.2:1-99"}),
                          service("mid", {"1.0.0.1:5000-5999"}, {"10.0.0.2:15000-15999"}),
                          service("top", {"1.0.0.1:6000-65535"}, {"10.0.0.3:6000-65535"})});
    for (int port = 1; port <= 65535; ++port) {
        const auto match = r.find(Protocol::tcp, {ip("1.0.0.1"), static_cast<uint16_t>(port)});
        const std::string name = match ? match->service->name : "";
        ASSERT_EQ(name, port < 100 ? "low" : port < 5000 ? "" : port < 6000 ? "mid" : "top") << port;
        if (match) {
            ASSERT_TRUE(match->listen->ports.contains(static_cast<uint16_t>(port)));
        }
    }
}

TEST(Ruleset, TakesTheUnspecifiedAddressForAllOfItsFamily) {
    const Ruleset r =
        of({service("four", {"0.0.0.0:80"}, {"10.0.0.2:80"}), service("six", {"[::]:80"}, {"10.0.0.3:80"}),
            service("exact", {"1.0.0.1:81"}, {"10.0.0.4:80"})});
    EXPECT_EQ(found(r, Protocol::tcp, "1.0.0.1:80"), "four");
    EXPECT_EQ(found(r, Protocol::tcp, "[::ffff:1.0.0.1]:80"), "four");
    EXPECT_EQ(found(r, Protocol::tcp, "[fd00::1]:80"), "six");
    EXPECT_EQ(found(r, Protocol::tcp, "1.0.0.1:81"), "exact");
    EXPECT_EQ(found(r, Protocol::tcp, "[fd00::1]:81"), "");
    EXPECT_TRUE(r.find(Protocol::tcp, endpoint("9.9.9.9:80"))->listen->ip.is_unspecified());
}

TEST(Ruleset, KnowsItsExternalAddresses) {
    const Ruleset r =
        of({service("a", {"1.0.0.1:5000-6000"}, {"10.0.0.2:5000-6000"}, Protocols::udp),
            service("b", {"0.0.0.0:80"}, {"10.0.0.3:80"}), service("c", {"[fd00::1]:1"}, {"10.0.0.3:80"})});
    EXPECT_TRUE(r.is_external_address(ip("1.0.0.1")));
    EXPECT_TRUE(r.is_external_address(ip("fd00::1")));
    EXPECT_FALSE(r.is_external_address(ip("1.0.0.2")));
    EXPECT_FALSE(r.is_external_address(ip("1.0.0.0")));
    EXPECT_FALSE(r.is_external_address(ip("10.0.0.2")));
}

TEST(Ruleset, StaysIndexedWhenMoved) {
    Ruleset first = of({service("srv1", {"1.0.0.1:5432"}, {"10.0.0.2:54321"})});
    const Ruleset second = std::move(first);
    const auto match = second.find(Protocol::tcp, endpoint("1.0.0.1:5432"));
    ASSERT_TRUE(match);
    EXPECT_EQ(match->service, &second.services()[0]);
    EXPECT_EQ(match->listen, &second.services()[0].listen[0]);
}

TEST(Ruleset, FindsEachOf100000Services) {
    std::vector<Service> services;
    for (uint32_t i = 0; i < 100'000; ++i) {
        Service s;
        s.name = std::to_string(i);
        s.listen = {{Ip::v4(0x01000000 + i / 100),
                     {static_cast<uint16_t>(1000 + i % 100 * 2), static_cast<uint16_t>(1001 + i % 100 * 2)}}};
        s.backends = {{{Ip::v4(0x0a000000 + i), {1, 2}}}};
        s.protocols = i % 3 == 0 ? Protocols::tcp : i % 3 == 1 ? Protocols::udp : Protocols::both;
        services.push_back(std::move(s));
    }
    const Ruleset r(std::move(services));
    for (const Service& s : r.services()) {
        for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
            for (const uint16_t port : {s.listen[0].ports.first, s.listen[0].ports.last}) {
                const auto match = r.find(protocol, {s.listen[0].ip, port});
                ASSERT_EQ(match.has_value(), includes(s.protocols, protocol));
                if (match) {
                    ASSERT_EQ(match->service, &s);
                }
            }
        }
    }
    EXPECT_FALSE(r.find(Protocol::tcp, endpoint("1.0.0.0:999")));
    EXPECT_FALSE(r.find(Protocol::tcp, endpoint("1.0.0.0:1200")));
}

TEST(BackendPort, LiesAsFarFromTheFirstAsTheOneAsked) {
    const auto listen = range("1.0.0.1:5000-5999");
    const Backend backend{range("10.0.0.2:15000-15999")};
    EXPECT_EQ(backend_port(listen, 5000, backend), 15000);
    EXPECT_EQ(backend_port(listen, 5321, backend), 15321);
    EXPECT_EQ(backend_port(listen, 5999, backend), 15999);
    EXPECT_EQ(backend_port(range("1.0.0.1:1-65535"), 65535, {range("10.0.0.2:1-65535")}), 65535);
    EXPECT_EQ(backend_port(range("1.0.0.1:60000-60001"), 60001, {range("10.0.0.2:1-2")}), 2);
}

}  // namespace
}  // namespace hairpin
