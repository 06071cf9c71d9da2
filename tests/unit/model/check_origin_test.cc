// From where a backend is asked, so that its answer takes the way of those to clients outside.
#include "model/check_origin.h"

#include <gtest/gtest.h>

#include "unit/model/values.h"

namespace hairpin {
namespace {

constexpr Abilities packets{.foreign_source = true, .cross_family = false};
constexpr Abilities sockets{.foreign_source = false, .cross_family = true};

// Behind 10.0.1.9 there are more backends.
GatewayNetwork network() { return two_legged().route("10.7.0.0/16", "10.0.1.9"); }

// "ADDRESS", "ADDRESS by LINK"; "": wherever the route says; "error".
std::string origin(std::vector<std::string_view> listen, std::string_view backend, SourcePolicy source,
                   Abilities abilities, const Topology& topology = network().topology()) {
    Service asked = service("srv", std::move(listen), {backend});
    asked.source = source;
    const auto found = check_origin(asked, topology, asked.backends[0], abilities);
    if (!found) return "error";
    if (!*found) return "";
    return (*found)->address.str() + ((*found)->link.empty() ? "" : " by " + (*found)->link);
}

TEST(CheckOrigin, IsWhatTheBackendSeesOfClientsOutside) {
    using enum SourcePolicy;
    const auto of = [](SourcePolicy source, Abilities abilities) {
        return origin({"1.0.0.1:80"}, "10.0.0.2:80", source, abilities);
    };
    for (const SourcePolicy kept : {automatic, keep, map}) EXPECT_EQ(of(kept, packets), "1.0.0.1 by int");
    EXPECT_EQ(of(external, packets), "1.0.0.1 by int");
    EXPECT_EQ(of(gateway, packets), "");
    for (const SourcePolicy own : {automatic, keep, map, external}) EXPECT_EQ(of(own, sockets), "1.0.0.1");
    EXPECT_EQ(of(gateway, sockets), "");
}

TEST(CheckOrigin, IsOfTheBackendsFamily) {
    const auto towards = [](std::string_view backend, Abilities abilities) {
        return origin({"1.0.0.1:80", "[2001:db8::1]:80"}, backend, SourcePolicy::automatic, abilities);
    };
    EXPECT_EQ(towards("10.0.0.2:80", packets), "1.0.0.1 by int");
    EXPECT_EQ(towards("[fd00::2]:80", packets), "2001:db8::1 by int");
    EXPECT_EQ(towards("[fd00::2]:80", sockets), "2001:db8::1");
    // Its clients are of the other family: it sees the gateway's own address, or nobody.
    EXPECT_EQ(origin({"1.0.0.1:80"}, "[fd00::2]:80", SourcePolicy::automatic, sockets), "");
    EXPECT_EQ(origin({"1.0.0.1:80"}, "[fd00::2]:80", SourcePolicy::automatic, packets), "");
}

TEST(CheckOrigin, IsTheFirstAddressThatCanBe) {
    const auto of = [](std::vector<std::string_view> listen) {
        return origin(std::move(listen), "10.0.0.2:80", SourcePolicy::automatic, packets);
    };
    EXPECT_EQ(of({"192.0.2.7:80", "1.0.0.1:80"}), "1.0.0.1 by int") << "a router maps the other one to us";
    EXPECT_EQ(of({"10.0.0.1:80", "1.0.0.1:80"}), "1.0.0.1 by int") << "an answer on its wire needs no route";
    EXPECT_EQ(of({"127.0.0.1:80", "1.0.0.1:80"}), "1.0.0.1 by int") << "nobody outside asks the other one";
    EXPECT_EQ(of({"127.0.0.1:80"}), "");
    EXPECT_EQ(of({"192.0.2.7:80"}), "error");
    EXPECT_EQ(of({"10.0.0.1:80"}), "error");
}

TEST(CheckOrigin, OfAWildcardFacesTheWorld) {
    EXPECT_EQ(origin({"0.0.0.0:80"}, "10.0.0.2:80", SourcePolicy::automatic, packets), "1.0.0.1 by int");
    EXPECT_EQ(origin({"[::]:80"}, "[fd00::2]:80", SourcePolicy::automatic, packets), "2001:db8::1 by int");
    EXPECT_EQ(origin({"0.0.0.0:80"}, "10.0.0.2:80", SourcePolicy::automatic, sockets), "1.0.0.1");
    GatewayNetwork closed;  // no way out; the backends are on the first of two links
    closed.link("one").address("10.0.0.1/24").link("other").address("10.1.0.1/24");
    EXPECT_EQ(origin({"0.0.0.0:80"}, "10.0.0.2:80", SourcePolicy::automatic, packets, closed.topology()),
              "10.1.0.1 by one");
    GatewayNetwork alone;
    alone.link("one").address("10.0.0.1/24");
    EXPECT_EQ(origin({"0.0.0.0:80"}, "10.0.0.2:80", SourcePolicy::automatic, packets, alone.topology()), "error");
}

TEST(CheckOrigin, IsHeldToTheLinkThatAloneLeadsThere) {
    const auto towards = [](std::string_view backend, const Topology& topology) {
        return origin({"1.0.0.1:80"}, backend, SourcePolicy::automatic, packets, topology);
    };
    EXPECT_EQ(towards("10.7.0.2:80", network().topology()), "1.0.0.1 by int2") << "behind a router";
    EXPECT_EQ(towards("10.0.0.1:80", network().topology()), "") << "on the gateway itself";
    GatewayNetwork twice = network();
    twice.link("int3").address("10.2.0.1/24").route("10.7.0.0/16", "10.2.0.9");
    EXPECT_EQ(towards("10.7.0.2:80", twice.topology()), "1.0.0.1") << "either link may bring the answer";
    GatewayNetwork spare = network();
    spare.link("int3").address("10.2.0.1/24").route("10.7.0.0/16", "10.2.0.9", 100);
    EXPECT_EQ(towards("10.7.0.2:80", spare.topology()), "1.0.0.1 by int2");
}

}  // namespace
}  // namespace hairpin
