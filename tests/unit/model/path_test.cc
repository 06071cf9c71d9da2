// Which path a client takes, gateway by gateway.
#include "model/path.h"

#include <gtest/gtest.h>

#include "unit/model/values.h"

namespace hairpin {
namespace {

// One service, whose endpoints are what counts; its backend is the one asked about.
std::string_view path(const GatewayNetwork& gateway, std::vector<std::string_view> listen, std::string_view client,
                      std::string_view backend) {
    std::vector<Service> services;
    services.push_back(service("s", std::move(listen), {"10.0.0.2:1"}));
    return name(path_of(Ruleset(std::move(services)), gateway.topology(), ip(client), ip(backend)));
}

// Clients as the gateway with a leg outside and two inside meets them.
TEST(Path, OfATwoLeggedGateway) {
    const GatewayNetwork gateway = two_legged();
    const auto of = [&](auto client, auto backend) {
        return path(gateway, {"1.0.0.1:80", "[2001:db8::1]:80"}, client, backend);
    };
    EXPECT_EQ(of("1.0.0.100", "10.0.0.2"), "external");  // on the outside link
    EXPECT_EQ(of("8.8.8.8", "10.0.0.2"), "external");    // beyond the default route
    EXPECT_EQ(of("10.0.0.3", "10.0.0.2"), "peer");
    EXPECT_EQ(of("10.0.0.2", "10.0.0.2"), "self");
    EXPECT_EQ(of("10.0.1.7", "10.0.0.2"), "routed");
    EXPECT_EQ(of("10.0.0.1", "10.0.0.2"), "local");
    EXPECT_EQ(of("1.0.0.1", "10.0.0.2"), "local");
    EXPECT_EQ(of("127.0.0.1", "10.0.0.2"), "local");

    EXPECT_EQ(of("2001:db8::100", "fd00::2"), "external");
    EXPECT_EQ(of("2600::1", "fd00::2"), "external");
    EXPECT_EQ(of("fd00::3", "fd00::2"), "peer");
    EXPECT_EQ(of("fd00::2", "fd00::2"), "self");
    EXPECT_EQ(of("fd00:1::7", "fd00::2"), "routed");
    EXPECT_EQ(of("fd00::1", "fd00::2"), "local");
    EXPECT_EQ(of("::1", "fd00::2"), "local");
}

// A client of one family and a backend of the other share no network, whatever wire they hang on.
TEST(Path, BetweenFamiliesIsNeverPeerOrSelf) {
    const GatewayNetwork gateway = two_legged();
    const std::vector<std::string_view> listen = {"1.0.0.1:80", "[2001:db8::1]:80"};
    EXPECT_EQ(path(gateway, listen, "10.0.0.3", "fd00::2"), "routed");
    EXPECT_EQ(path(gateway, listen, "fd00::3", "10.0.0.2"), "routed");
    EXPECT_EQ(path(gateway, listen, "1.0.0.100", "fd00::2"), "external");
    EXPECT_EQ(path(gateway, listen, "127.0.0.1", "fd00::2"), "local");
}

// GatewayNetwork, backends and clients on one wire; the way out is somebody else's router.
TEST(Path, OfAHomeBoxWithOneLink) {
    GatewayNetwork gateway;
    gateway.link("eth0").address("192.168.1.10/24").route("0.0.0.0/0", "192.168.1.1");
    const auto of = [&](auto client, auto backend) { return path(gateway, {"192.168.1.10:80"}, client, backend); };
    EXPECT_EQ(of("192.168.1.50", "192.168.1.20"), "peer");
    EXPECT_EQ(of("192.168.1.20", "192.168.1.20"), "self");
    EXPECT_EQ(of("192.168.1.1", "192.168.1.20"), "peer");
    EXPECT_EQ(of("8.8.8.8", "192.168.1.20"), "external");
    EXPECT_EQ(of("192.168.1.10", "192.168.1.20"), "local");
}

// Topology C of the test plan: one wire, two networks on it.
TEST(Path, OfAOneArmedGatewayWithTwoNetworks) {
    GatewayNetwork gateway;
    gateway.link("eth0").address("1.0.0.1/24").address("10.0.0.1/24").route("0.0.0.0/0", "1.0.0.254");
    const auto of = [&](auto client, auto backend) { return path(gateway, {"1.0.0.1:80"}, client, backend); };
    EXPECT_EQ(of("1.0.0.100", "10.0.0.2"), "external");
    EXPECT_EQ(of("8.8.8.8", "10.0.0.2"), "external");
    EXPECT_EQ(of("10.0.0.3", "10.0.0.2"), "peer");
    EXPECT_EQ(of("1.0.0.100", "1.0.0.50"), "peer");  // a backend outside, next to the client
    EXPECT_EQ(of("10.0.0.3", "1.0.0.50"), "routed");
}

// Topology F: client and backend on different inside networks, several of them.
TEST(Path, BetweenInsideNetworksIsRouted) {
    GatewayNetwork gateway = two_legged();
    gateway.link("int3").address("10.0.2.1/24").route("10.50.0.0/16", "10.0.2.254");
    const auto of = [&](auto client, auto backend) { return path(gateway, {"1.0.0.1:80"}, client, backend); };
    EXPECT_EQ(of("10.0.2.5", "10.0.0.2"), "routed");
    EXPECT_EQ(of("10.0.1.5", "10.0.2.2"), "routed");
    EXPECT_EQ(of("10.50.0.5", "10.0.0.2"), "routed");  // behind an inside router on another link
}

// Topology D and its kin: other routers inside.
TEST(Path, WithARouterInside) {
    GatewayNetwork gateway = two_legged();
    gateway.link("int").address("10.9.0.1/24").route("10.50.0.0/16", "10.9.0.254").route("10.60.0.0/16", "10.9.0.253");
    const auto of = [&](auto client, auto backend) { return path(gateway, {"1.0.0.1:80"}, client, backend); };
    EXPECT_EQ(of("10.9.0.7", "10.50.0.2"), "peer");    // the backend's router answers the client without us
    EXPECT_EQ(of("10.50.0.7", "10.50.0.2"), "peer");   // both behind the same router
    EXPECT_EQ(of("10.60.0.7", "10.50.0.2"), "peer");   // two routers that know each other's wire
    EXPECT_EQ(of("10.50.0.7", "10.9.0.2"), "routed");  // the backend sends by its default route: to us
    EXPECT_EQ(of("10.0.1.7", "10.50.0.2"), "routed");
    EXPECT_EQ(of("1.0.0.100", "10.50.0.2"), "external");
    EXPECT_EQ(of("10.50.0.2", "10.50.0.2"), "self");
}

TEST(Path, BehindARouterOutsideIsExternal) {
    GatewayNetwork gateway;
    gateway.link("ext").address("1.0.0.1/24").address("2001:db8::1/64").address("fe80::e/64");
    gateway.route("100.64.0.0/10", "1.0.0.9").route("2001:db8:9::/48", "2001:db8::9");
    gateway.route("2001:db8:100::/48", "fe80::9");
    gateway.link("int").address("10.0.0.1/24").address("fd00::1/64").address("fe80::1/64");
    gateway.route("10.50.0.0/16", "10.0.0.254").route("fd50::/48", "fe80::9");
    const std::vector<std::string_view> listen = {"1.0.0.1:80", "[2001:db8::1]:80"};
    EXPECT_EQ(path(gateway, listen, "100.64.0.7", "10.0.0.2"), "external");
    EXPECT_EQ(path(gateway, listen, "2001:db8:9::7", "fd00::2"), "external");
    EXPECT_EQ(path(gateway, listen, "10.50.0.7", "10.0.0.2"), "routed");
    // The same link-local next hop on two links: the link tells them apart.
    EXPECT_EQ(path(gateway, listen, "2001:db8:100::7", "fd00::2"), "external");
    EXPECT_EQ(path(gateway, listen, "fd50::7", "fd00::2"), "routed");
}

TEST(Path, WithoutARouteIsExternal) {
    GatewayNetwork gateway;
    gateway.link("int").address("10.0.0.1/24");
    EXPECT_EQ(path(gateway, {"10.0.0.1:80"}, "8.8.8.8", "10.0.0.2"), "external");
    EXPECT_EQ(path(gateway, {"10.0.0.1:80"}, "10.0.0.3", "8.8.8.8"), "external");
    EXPECT_EQ(path(GatewayNetwork(), {"10.0.0.1:80"}, "10.0.0.3", "10.0.0.2"), "external");
    EXPECT_EQ(path(GatewayNetwork(), {"10.0.0.1:80"}, "10.0.0.2", "10.0.0.2"), "self");
}

// No address is shown to the world by name, but the default router says where the world is.
TEST(Path, OfAWildcardServiceIsExternalInTheNetworkOfTheDefaultRouter) {
    const GatewayNetwork gateway = two_legged();
    const auto of = [&](auto client, auto backend) {
        return path(gateway, {"0.0.0.0:80", "[::]:80"}, client, backend);
    };
    EXPECT_EQ(of("1.0.0.100", "10.0.0.2"), "external");
    EXPECT_EQ(of("10.0.1.7", "10.0.0.2"), "routed");
    EXPECT_EQ(of("2001:db8::100", "fd00::2"), "external");
    EXPECT_EQ(of("fd00:1::7", "fd00::2"), "routed");
}

// Topology H: the gateway runs the backend itself.
TEST(Path, ToABackendOnTheGateway) {
    const GatewayNetwork gateway = two_legged();
    const auto of = [&](auto client, auto backend) { return path(gateway, {"1.0.0.1:80"}, client, backend); };
    EXPECT_EQ(of("127.0.0.1", "127.0.0.1"), "local");
    EXPECT_EQ(of("1.0.0.1", "10.0.0.1"), "local");
    EXPECT_EQ(of("1.0.0.100", "127.0.0.1"), "external");
    EXPECT_EQ(of("10.0.1.7", "127.0.0.1"), "routed");
}

// A route to one host, as made to lower its MTU, hid that it shares the client's wire: its reply went past the gateway.
TEST(Path, IsPeerThoughTheBackendHasAHostRoute) {
    GatewayNetwork gateway = two_legged();
    gateway.link("int").address("10.5.0.1/24").route("10.5.0.3/32");
    EXPECT_EQ(path(gateway, {"1.0.0.1:80"}, "10.5.0.2", "10.5.0.3"), "peer");
    EXPECT_EQ(path(gateway, {"1.0.0.1:80"}, "10.5.0.3", "10.5.0.2"), "peer");
    EXPECT_EQ(path(gateway, {"1.0.0.1:80"}, "10.0.1.7", "10.5.0.3"), "routed");
}

TEST(Path, BetweenTwoHostsBeyondAPointToPointDefaultRouteIsPeer) {
    GatewayNetwork gateway;
    gateway.link("wg0").address("10.8.0.1/32").route("0.0.0.0/0");
    gateway.link("int").address("10.0.0.1/24");
    EXPECT_EQ(path(gateway, {"10.8.0.1:80"}, "8.8.8.8", "9.9.9.9"), "peer");
    EXPECT_EQ(path(gateway, {"10.8.0.1:80"}, "8.8.8.8", "10.0.0.2"), "external");
}

}  // namespace
}  // namespace hairpin
