// Whom a limit counts as one client.
#include "model/limits.h"

#include <gtest/gtest.h>

#include "model/ruleset.h"
#include "model/topology.h"
#include "unit/model/values.h"

namespace hairpin {
namespace {

TEST(Limits, CountAnIpv6ClientOutsideByItsNetworkAndAnyOtherByItself) {
    const Ruleset ruleset({service("web", {"1.0.0.1:80", "[2001:db8::1]:80"}, {"10.0.0.2:80"}, Protocols::both)});
    const Topology topology = two_legged().topology();
    const auto counted = [&](const char* client) { return counted_client(ruleset, topology, ip(client)); };
    EXPECT_EQ(counted("2001:db8:7:7:1:2:3:4"), ip("2001:db8:7:7::"));
    EXPECT_EQ(counted("2001:db8::100"), ip("2001:db8::"));
    EXPECT_EQ(counted("2001:db8::1"), ip("2001:db8::1")) << "the gateway is nobody's neighbour";
    for (const char* client : {"fd00::2", "fd00::3", "fd00:1::7", "10.0.0.2", "198.51.100.7", "::ffff:198.51.100.8"}) {
        EXPECT_EQ(counted(client), ip(client));
    }
}

TEST(Limits, SayWhichOneIsReached) {
    EXPECT_EQ(reached(Limit::connections, 3),
              "limits.connections: it has reached 3 connections and sessions; what it begins beyond that is refused");
    EXPECT_EQ(reached(Limit::new_per_second_per_client, 5),
              "limits.new_per_second_per_client: a client has reached 5 new connections and sessions a second; what it "
              "begins beyond that is refused");
}

}  // namespace
}  // namespace hairpin
