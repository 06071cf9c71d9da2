// Routes, own addresses, and the address that faces a destination.
#include "model/topology.h"

#include <gtest/gtest.h>

#include "unit/model/values.h"

namespace hairpin {
namespace {

std::string link_to(const Topology& topology, std::string_view destination) {
    const Route* route = topology.route_to(ip(destination));
    return route ? topology.link(route->link)->name : "";
}

std::string source(const Topology& topology, std::string_view destination) {
    const auto address = topology.source_towards(ip(destination));
    return address ? address->str() : "";
}

TEST(Topology, OwnsItsAddressesAndAllOfLoopback) {
    const Topology t = two_legged().topology();
    for (const auto own : {"1.0.0.1", "10.0.0.1", "10.0.1.1", "fd00::1", "127.0.0.1", "127.9.9.9", "::1"}) {
        EXPECT_TRUE(t.owns(ip(own))) << own;
    }
    for (const auto other : {"1.0.0.2", "10.0.0.0", "10.0.0.255", "0.0.0.0", "::", "fd00::2"}) {
        EXPECT_FALSE(t.owns(ip(other))) << other;
    }
    EXPECT_TRUE(Topology().owns(ip("127.0.0.1")));
}

TEST(Topology, OwnsWholeNetworksThatAreLocal) {
    const Topology t({}, {}, {}, {prefix("10.9.0.0/24"), prefix("fd09::/64")});
    for (const auto own : {"10.9.0.0", "10.9.0.7", "fd09::7"}) EXPECT_TRUE(t.owns(ip(own))) << own;
    for (const auto other : {"10.9.1.0", "fd09:0:0:1::7"}) EXPECT_FALSE(t.owns(ip(other))) << other;
    EXPECT_EQ(source(t, "10.9.0.7"), "10.9.0.7");
}

TEST(Topology, DerivesOnLinkRoutesFromAddresses) {
    const Topology t = two_legged().topology();
    EXPECT_EQ(link_to(t, "10.0.0.2"), "int");
    EXPECT_EQ(link_to(t, "10.0.1.2"), "int2");
    EXPECT_EQ(link_to(t, "fd00::2"), "int");
    EXPECT_EQ(link_to(t, "1.0.0.9"), "ext");
    EXPECT_EQ(link_to(t, "127.0.0.1"), "lo");
    EXPECT_EQ(link_to(t, "8.8.8.8"), "ext");
    EXPECT_EQ(link_to(t, "2600::1"), "ext");
    EXPECT_FALSE(t.route_to(ip("10.0.0.2"))->via);
    EXPECT_EQ(t.route_to(ip("8.8.8.8"))->via, ip("1.0.0.254"));
}

TEST(Topology, AddsNoRouteThatIsThereAlready) {
    GatewayNetwork gateway;
    gateway.link("e").address("10.0.0.1/24").address("10.0.0.5/24").route("10.0.0.0/24", "", 100);
    EXPECT_EQ(gateway.topology().routes().size(), 3u);  // with two of loopback
    EXPECT_EQ(gateway.topology().route_to(ip("10.0.0.2"))->metric, 100u);
}

TEST(Topology, PrefersTheLongestPrefixThenTheSmallestMetric) {
    GatewayNetwork gateway;
    gateway.link("a").route("0.0.0.0/0", "10.0.0.9", 0).route("10.0.0.0/8", "", 50);
    gateway.link("b").route("10.0.0.0/8", "", 20).route("10.1.0.0/16", "", 900);
    gateway.link("c").route("10.1.2.3/32", "", 4'000'000'000);
    const Topology t = gateway.topology();
    EXPECT_EQ(link_to(t, "10.9.9.9"), "b");
    EXPECT_EQ(link_to(t, "10.1.9.9"), "b");
    EXPECT_EQ(link_to(t, "10.1.2.3"), "c");
    EXPECT_EQ(link_to(t, "11.0.0.1"), "a");
    EXPECT_EQ(link_to(t, "fd00::1"), "");
}

TEST(Topology, HasNoRouteWithoutOne) {
    EXPECT_EQ(Topology().route_to(ip("10.0.0.2")), nullptr);
    EXPECT_EQ(Topology().source_towards(ip("10.0.0.2")), std::nullopt);
    EXPECT_EQ(Topology().link(1), nullptr);
}

TEST(Topology, FacesADestinationWithTheAddressOfThatNetwork) {
    GatewayNetwork gateway;
    gateway.link("e").address("10.0.0.1/24").address("192.168.0.1/24").address("fd00::1/64").address("fd01::1/64");
    gateway.route("172.16.0.0/12", "192.168.0.254").route("0.0.0.0/0", "10.0.0.254");
    const Topology t = gateway.topology();
    EXPECT_EQ(source(t, "10.0.0.2"), "10.0.0.1");
    EXPECT_EQ(source(t, "192.168.0.2"), "192.168.0.1");
    EXPECT_EQ(source(t, "172.16.5.5"), "192.168.0.1");
    EXPECT_EQ(source(t, "8.8.8.8"), "10.0.0.1");
    EXPECT_EQ(source(t, "fd01::2"), "fd01::1");
    EXPECT_EQ(source(t, "2600::1"), "");
}

TEST(Topology, FacesADestinationWithTheAddressThatTheRouteNames) {
    GatewayNetwork gateway;
    gateway.link("lo2").address("192.0.2.1/32");
    gateway.link("e").address("10.0.0.1/24").address("10.0.0.9/24");
    gateway.route("10.0.0.0/24", "", 0, "10.0.0.9").route("0.0.0.0/0", "10.0.0.254", 0, "192.0.2.1");
    gateway.route("172.16.0.0/12", "10.0.0.254", 0, "192.0.2.99");  // is none of the gateway's
    const Topology t = gateway.topology();
    EXPECT_EQ(source(t, "10.0.0.2"), "10.0.0.9");
    EXPECT_EQ(source(t, "8.8.8.8"), "192.0.2.1");
    EXPECT_EQ(source(t, "172.16.0.1"), "10.0.0.1");
}

TEST(Topology, FacesADestinationWithNoDeprecatedAddressIfThereIsAnother) {
    GatewayNetwork gateway;
    gateway.link("e").address("2001:db8:1::1/64", true).address("2001:db8:2::1/64").route("::/0", "fe80::fe");
    gateway.link("f").address("fd00::1/64", true);
    const Topology t = gateway.topology();
    EXPECT_EQ(source(t, "2001:db8:1::2"), "2001:db8:2::1");
    EXPECT_EQ(source(t, "2600::1"), "2001:db8:2::1");
    EXPECT_EQ(source(t, "fd00::2"), "fd00::1");
}

// RFC 6724 rule 8: the provider's network through the provider's address, the site's own through the site's.
TEST(Topology, FacesADestinationWithTheAddressThatSharesMostOfIt) {
    GatewayNetwork gateway;
    gateway.link("e").address("fd00:1::1/64").address("2001:db8::1/64").address("fd00:2:3::1/64");
    gateway.route("::/0", "fe80::fe");
    gateway.link("i").address("10.0.0.1/8").address("10.1.0.1/16");
    const Topology t = gateway.topology();
    EXPECT_EQ(source(t, "2600::1"), "2001:db8::1");
    EXPECT_EQ(source(t, "fd00:2::1"), "fd00:2:3::1");
    EXPECT_EQ(source(t, "fd00:1:0:5::1"), "fd00:1::1");
    EXPECT_EQ(source(t, "10.1.0.2"), "10.1.0.1");
    EXPECT_EQ(source(t, "10.2.0.2"), "10.0.0.1");
}

TEST(Topology, FacesItselfWithTheVeryAddress) {
    const Topology t = two_legged().topology();
    EXPECT_EQ(source(t, "1.0.0.1"), "1.0.0.1");
    EXPECT_EQ(source(t, "127.0.0.1"), "127.0.0.1");
    EXPECT_EQ(source(t, "::1"), "::1");
}

// An IPv6 router is mostly known by its link-local address, which drew a link-local source for the whole internet.
TEST(Topology, FacesTheInternetBehindALinkLocalRouterWithAGlobalAddress) {
    GatewayNetwork gateway;
    gateway.link("e").address("fe80::1/64").address("2001:db8::1/64").route("::/0", "fe80::fe");
    const Topology t = gateway.topology();
    EXPECT_EQ(source(t, "2600::1"), "2001:db8::1");
    EXPECT_EQ(source(t, "2001:db8::2"), "2001:db8::1");
    EXPECT_EQ(source(t, "fe80::2"), "fe80::1");
}

TEST(Topology, HasNoAddressThatFacesAnUnnumberedLink) {
    GatewayNetwork gateway;
    gateway.link("tun").route("10.8.0.0/24");
    EXPECT_EQ(source(gateway.topology(), "10.8.0.2"), "");
}

}  // namespace
}  // namespace hairpin
