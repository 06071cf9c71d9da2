// Which ports flows share, when they are used up, and who is refused then.
#include "engines/nft/ports.h"

#include <gtest/gtest.h>

#include "engines/free_ports.h"
#include "unit/model/values.h"

namespace hairpin::nft {
namespace {

const std::vector<uint16_t> nobody;

TEST(FreePorts, AreThoseOfClientsWhereTheyAreFree) {
    EXPECT_EQ(free_ports(Ruleset(), nobody), (PortRange{32768, 65535}));
    const Ruleset published({service("a", {"1.0.0.1:60000-60009"}, {"10.0.0.2:60000-60009"})});
    EXPECT_EQ(free_ports(published, nobody), (PortRange{32768, 59999}));
    const std::vector<uint16_t> listening = {40000, 22, 40001};
    EXPECT_EQ(free_ports(published, listening), (PortRange{40002, 59999})) << "the longest run";
}

TEST(FreePorts, LieElsewhereWhereTooFewOfThoseAreFree) {
    const Ruleset published({service("a", {"1.0.0.1:33000-65535"}, {"10.0.0.2:33000-65535"})});
    EXPECT_EQ(free_ports(published, nobody), (PortRange{1024, 32999}));
}

TEST(FreePorts, MayBeOneOrNone) {
    const Ruleset all_but_one({service("a", {"1.0.0.1:1024-65534"}, {"10.0.0.2:1024-65534"})});
    EXPECT_EQ(free_ports(all_but_one, nobody), (PortRange{65535, 65535}));
    const Ruleset all({service("a", {"1.0.0.1:1024-65535"}, {"10.0.0.2:1024-65535"})});
    EXPECT_EQ(free_ports(all, nobody), std::nullopt);
}

// --- Pools. 16 ports of 1.0.0.1 towards 10.0.0.2:80.

constexpr PortRange ports{65520, 65535};
const Pool pool{Protocol::tcp, ip("1.0.0.1"), endpoint("10.0.0.2:80")};

class Pools : public testing::Test {
protected:
    PoolUse use() const { return {ruleset_, topology_, ports}; }

    static TrackedFlow flow(std::string_view source, uint16_t port, bool alive = true) {
        const Leg client{Protocol::tcp, endpoint("10.0.0.3:40000"), endpoint("1.0.0.1:80")};
        return {client, {Protocol::tcp, {ip(source), port}, pool.backend}, true, alive};
    }
    static void fill(PoolUse& use, int flows, bool alive = true) {
        for (int i = 0; i < flows; ++i) use.add(flow("1.0.0.1", static_cast<uint16_t>(ports.first + i), alive));
    }

    const Ruleset ruleset_{{service("web", {"1.0.0.1:80"}, {"10.0.0.2:80"})}};
    const Topology topology_ = two_legged().topology();
};

TEST_F(Pools, AreExhaustedWhenTheKernelMissedAPortAndAllAreTaken) {
    PoolUse full = use();
    fill(full, 16);
    EXPECT_EQ(full.exhausted(true, {}), std::set{pool});
    EXPECT_TRUE(full.exhausted(false, {}).empty()) << "nobody missed one";
    PoolUse almost = use();
    fill(almost, 15);
    EXPECT_TRUE(almost.exhausted(true, {}).empty()) << "so that it was another pool, or a race";
}

TEST_F(Pools, StayExhaustedAsLongAsAllAreTakenByTheLiving) {
    PoolUse alive = use();
    fill(alive, 16);
    EXPECT_EQ(alive.exhausted(false, {pool}), std::set{pool});
    PoolUse ended = use();
    fill(ended, 16, false);
    EXPECT_TRUE(ended.exhausted(false, {pool}).empty());
    EXPECT_EQ(ended.exhausted(true, {pool}), std::set{pool}) << "of a kernel that lets the ended ones keep their ports";
}

TEST_F(Pools, AreNotFilledByFlowsThatTakeNoPortOfThem) {
    PoolUse kept = use();
    fill(kept, 15);
    kept.add(flow("1.0.0.100", 65535));  // an external client's own address
    kept.add(flow("1.0.0.1", 40000));    // a port of `keep`
    kept.add(flow("10.0.0.1", 65535));   // another pool
    EXPECT_TRUE(kept.exhausted(true, {}).empty());
}

TEST_F(Pools, OfManyPortsAreExhaustedWhenASearchMostlyFails) {
    PoolUse large(ruleset_, topology_, {40000, 50239});  // 10240
    for (int i = 0; i < 10199; ++i) large.add(flow("1.0.0.1", static_cast<uint16_t>(40000 + i)));
    EXPECT_TRUE(large.exhausted(true, {}).empty());
    large.add(flow("1.0.0.1", 50239));
    EXPECT_EQ(large.exhausted(true, {}), std::set{pool}) << "40 of 10240 are left";
}

// --- Who is refused

std::vector<std::string> refused_of(Service service, const Pool& exhausted) {
    const Ruleset ruleset({std::move(service)});
    std::vector<std::string> elements;
    for (const Refused& refused : refused_by(exhausted, ruleset, two_legged().topology())) {
        elements.push_back(refused.element.set + " { " + refused.element.key + " : " + refused.element.value + " }");
    }
    return elements;
}

Service with(SourcePolicy source, std::string_view map = "") {
    Service made = service("web", {"1.0.0.1:80"}, {"10.0.0.2:80"});
    made.source = source;
    if (!map.empty()) made.source_map = {prefix(map)};
    return made;
}

std::vector<std::string> all_through(std::string_view chain) {
    return {"exhausted4 { 1.0.0.1 . tcp . 80 . 10.0.0.2 . 80 timeout 5s : goto " + std::string(chain) + " }"};
}

TEST(RefusedBy, WhoNeedsAPortByTheSourcePolicy) {
    const Pool of_gateway{Protocol::tcp, ip("10.0.0.1"), endpoint("10.0.0.2:80")};
    EXPECT_EQ(refused_of(with(SourcePolicy::automatic), pool), all_through("no_port_auto4"));
    EXPECT_EQ(refused_of(with(SourcePolicy::external), pool), all_through("no_port4"));
    EXPECT_EQ(refused_of(with(SourcePolicy::gateway), of_gateway), all_through("no_port4"));
    EXPECT_EQ(refused_of(with(SourcePolicy::map, "10.99.0.0/24"), pool), all_through("no_port_map4"));
    EXPECT_EQ(refused_of(with(SourcePolicy::map, "fd99::/64"), pool), all_through("no_port_auto4"));
    EXPECT_TRUE(refused_of(with(SourcePolicy::keep), pool).empty());
    EXPECT_TRUE(refused_of(with(SourcePolicy::gateway), pool).empty()) << "another pool";
    EXPECT_TRUE(refused_of(with(SourcePolicy::external), of_gateway).empty()) << "another pool";
}

TEST(RefusedBy, IsAskedByTheEndpointsThatLeadToTheBackend) {
    const Service several = service("s", {"0.0.0.0:5000-5009"}, {"10.0.0.2:75-84", "10.0.0.3:75-84"}, Protocols::both);
    EXPECT_EQ(refused_of(several, pool),
              (std::vector<std::string>{
                  "exhausted4 { 1.0.0.1 . tcp . 5005 . 10.0.0.2 . 80 timeout 5s : goto no_port_auto4 }"}));
    EXPECT_TRUE(refused_of(service("s", {"1.0.0.1:80"}, {"10.0.0.2:81"}), pool).empty());
    EXPECT_TRUE(refused_of(service("s", {"1.0.0.1:80"}, {"10.0.0.2:80"}, Protocols::udp), pool).empty());
    EXPECT_TRUE(refused_of(service("s", {"[2001:db8::1]:80"}, {"10.0.0.2:80"}), pool).empty());
}

}  // namespace
}  // namespace hairpin::nft
