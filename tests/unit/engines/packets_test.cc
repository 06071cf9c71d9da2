// What engines that translate packets in the kernel cannot do, before the first packet.
#include "engines/packets.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>

#include "unit/model/values.h"

namespace hairpin {
namespace {

// The fatal ones, by the key that they begin with.
std::vector<std::string> refused(const Service& service) {
    std::vector<std::string> keys;
    for (const Gap& gap : packet_gaps(Ruleset({service}), "counts nothing")) {
        if (gap.fatal) keys.push_back(gap.message.substr(0, gap.message.find(": ")));
    }
    return keys;
}

Service with_backends(int count) {
    Service made = service("pool", {"1.0.0.1:80"}, {});
    for (int i = 0; i < count; ++i) {
        made.backends.push_back({range(fmt::format("10.1.{}.{}:80", i / 250, 1 + i % 250))});
    }
    return made;
}

TEST(PacketGaps, LeastConnectionsAndPassiveChecksTakeTheProxy) {
    Service pool = with_backends(2);
    EXPECT_TRUE(refused(pool).empty());
    pool.balance = Balance::least_connections;
    EXPECT_EQ(refused(pool), std::vector<std::string>{"balance"});
    pool.balance = Balance::maglev;
    pool.health = HealthCheck{};
    EXPECT_TRUE(refused(pool).empty());
    HealthCheck passive;
    passive.passive = PassiveCheck{};
    pool.health = passive;
    EXPECT_EQ(refused(pool), std::vector<std::string>{"health.passive"});
}

TEST(PacketGaps, TooManyClientsWithSlotsOfTheirOwnAreRefused) {
    const auto is_refused = [](Service pool, SelfPolicy self, Balance balance) {
        pool.self = self;
        pool.balance = balance;
        return !refused(pool).empty();
    };
    for (const SelfPolicy self : {SelfPolicy::avoid, SelfPolicy::deny}) {
        EXPECT_FALSE(is_refused(with_backends(512), self, Balance::round_robin));
        EXPECT_TRUE(is_refused(with_backends(513), self, Balance::round_robin));
        EXPECT_FALSE(is_refused(with_backends(15), self, Balance::maglev));
        EXPECT_TRUE(is_refused(with_backends(16), self, Balance::maglev));
    }
    EXPECT_FALSE(is_refused(with_backends(2000), SelfPolicy::prefer, Balance::source_hash));
    EXPECT_FALSE(is_refused(with_backends(2000), SelfPolicy::allow, Balance::maglev));
}

TEST(PacketGaps, AnEndpointThatIsLedToNobodyIsToldOfOnce) {
    const auto closed = [](const Service& service) {
        const auto gaps = packet_gaps(Ruleset({service}), "counts nothing");
        return std::ranges::count_if(gaps, &Gap::closes);
    };
    Service web = service("web", {"[2001:db8::1]:80", "1.0.0.1:80"}, {"10.0.0.2:80", "10.0.0.3:80"});
    EXPECT_EQ(closed(web), 1);
    web.followed = {0, 0};
    EXPECT_EQ(closed(web), 0) << "links have what addresses they have";
    web.followed.clear();
    web.backends.push_back({range("[fd00::2]:80")});
    EXPECT_EQ(closed(web), 0);
}

}  // namespace
}  // namespace hairpin
