// One sequence for every balance: which backend has how many slots, and where.
#include "model/slots.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "model/maglev.h"
#include "unit/model/values.h"

namespace hairpin {
namespace {

Service pool(Balance balance, std::vector<std::pair<std::string_view, uint32_t>> backends) {
    Service made = service("pool", {"1.0.0.1:80"}, {});
    made.balance = balance;
    for (const auto& [text, weight] : backends) made.backends.push_back({range(text), weight});
    return made;
}

std::vector<std::string> by_name(const Service& service) {
    std::vector<std::string> names;
    for (const uint16_t slot : slots_of(service)) names.push_back(service.backends[slot].endpoint.str());
    return names;
}

TEST(Slots, EqualBackendsHaveOneEachInTheirOrder) {
    for (const Balance balance : {Balance::round_robin, Balance::source_hash}) {
        EXPECT_EQ(slots_of(pool(balance, {{"10.0.0.3:80", 1}, {"10.0.0.2:80", 1}, {"10.0.0.4:80", 1}})),
                  (Slots{0, 1, 2}));
        EXPECT_EQ(slots_of(pool(balance, {{"10.0.0.3:80", 7}, {"10.0.0.2:80", 7}})), (Slots{0, 1}));
    }
}

TEST(Slots, AWeightIsANumberOfSlots) {
    for (const Balance balance : {Balance::round_robin, Balance::source_hash}) {
        EXPECT_EQ(slots_of(pool(balance, {{"10.0.0.2:80", 5}, {"10.0.0.3:80", 1}, {"10.0.0.4:80", 1}})),
                  (Slots{0, 0, 1, 0, 2, 0, 0}));
    }
}

TEST(Slots, WhoWeighsNothingHasNone) {
    for (const Balance balance : {Balance::round_robin, Balance::source_hash, Balance::maglev}) {
        EXPECT_EQ(slots_of(pool(balance, {{"10.0.0.2:80", 0}, {"10.0.0.3:80", 4}})), Slots{1}) << name(balance);
        EXPECT_EQ(slots_of(pool(balance, {{"10.0.0.2:80", 0}})), Slots{}) << name(balance);
        EXPECT_EQ(slots_of(pool(balance, {{"10.0.0.2:80", 9}})), Slots{0}) << name(balance);
    }
}

TEST(Slots, OfMaglevAreTheSameInWhateverOrderBackendsStand) {
    Service service = pool(Balance::maglev, {{"10.0.0.2:80", 1},
                                             {"10.0.0.3:80", 2},
                                             {"10.0.0.2:81", 1},
                                             {"[fd00::2]:80", 3},
                                             {"10.0.0.9:80", 0},
                                             {"10.0.0.10:80", 1}});
    const auto expected = by_name(service);
    EXPECT_EQ(expected.size(), maglev_size(8));
    std::mt19937 random(1);
    for (int i = 0; i < 20; ++i) {
        std::ranges::shuffle(service.backends, random);
        ASSERT_EQ(by_name(service), expected);
    }
}

TEST(Slots, OfMaglevAreAsManyAsTheWeightsSay) {
    const Service service = pool(Balance::maglev, {{"10.0.0.2:80", 1}, {"10.0.0.3:80", 2}, {"10.0.0.4:80", 5}});
    std::map<uint16_t, double> counts;
    for (const uint16_t slot : slots_of(service)) counts[slot] += 8.0 / 4099;
    EXPECT_NEAR(counts[0], 1, 0.01);
    EXPECT_NEAR(counts[1], 2, 0.02);
    EXPECT_NEAR(counts[2], 5, 0.05);
}

// What users see: a program of another version must lead clients to the same backends. Computed by a program of its
// own.
TEST(Slots, OfMaglevAreWhereTheyEverWere) {
    const auto names = by_name(pool(Balance::maglev, {{"10.0.0.2:80", 1}, {"10.0.0.3:80", 1}, {"[fd00::2]:80", 2}}));
    ASSERT_EQ(names.size(), 4099u);
    EXPECT_EQ(names[0], "10.0.0.3:80");
    EXPECT_EQ(names[1000], "10.0.0.2:80");
    EXPECT_EQ(names[2000], "[fd00::2]:80");
    EXPECT_EQ(names[3500], "10.0.0.2:80");
    EXPECT_EQ(names[4098], "10.0.0.3:80");
}

// By address, of those that a client's flows are balanced among; with one slot each.
std::vector<std::string> open_to(const Service& service, std::string_view client) {
    std::vector<std::string> names;
    for (const uint16_t slot : slots_of(service, *Ip::parse(client))) {
        names.push_back(service.backends[slot].endpoint.str());
    }
    return names;
}

TEST(SelfPolicy, SaysWhichBackendsAClientMayGetThatIsOneOfThem) {
    using Names = std::vector<std::string>;
    Service service = pool(Balance::round_robin, {{"10.0.0.2:80", 1}, {"10.0.0.3:80", 1}, {"10.0.0.2:81", 1}});
    const Names all = {"10.0.0.2:80", "10.0.0.3:80", "10.0.0.2:81"};
    const std::vector<std::pair<SelfPolicy, Names>> expected = {{SelfPolicy::allow, all},
                                                                {SelfPolicy::avoid, {"10.0.0.3:80"}},
                                                                {SelfPolicy::prefer, {"10.0.0.2:80", "10.0.0.2:81"}},
                                                                {SelfPolicy::deny, {"10.0.0.3:80"}}};
    for (const auto& [policy, names] : expected) {
        service.self = policy;
        EXPECT_EQ(open_to(service, "10.0.0.2"), names) << name(policy);
        EXPECT_EQ(open_to(service, "10.0.0.4"), all) << name(policy) << ": it is no backend";
    }
}

TEST(SelfPolicy, WhereOnlyItselfTakesFlowsAvoidIsAsAllowAndDenyLeavesNobody) {
    Service service = pool(Balance::round_robin, {{"10.0.0.2:80", 1}, {"10.0.0.3:80", 0}});
    service.self = SelfPolicy::avoid;
    EXPECT_EQ(slots_of(service, *Ip::parse("10.0.0.2")), Slots{0});
    service.self = SelfPolicy::deny;
    EXPECT_EQ(slots_of(service, *Ip::parse("10.0.0.2")), Slots{});
    service.self = SelfPolicy::prefer;
    EXPECT_EQ(slots_of(service, *Ip::parse("10.0.0.3")), Slots{0}) << "itself takes no flows";
}

TEST(SelfPolicy, OwnSlotsAreOfThoseClientsThatHaveOthersThanEverybody) {
    Service service = pool(Balance::maglev, {{"10.0.0.2:80", 1}, {"10.0.0.3:80", 1}, {"10.0.0.4:80", 1}});
    EXPECT_TRUE(own_slots(service, {&service.backends[0], &service.backends[1]}).empty());
    service.self = SelfPolicy::avoid;
    const auto own = own_slots(service, {&service.backends[0], &service.backends[1]});
    ASSERT_EQ(own.size(), 2u);
    EXPECT_EQ(own[0].client.str(), "10.0.0.2");
    EXPECT_EQ(own[0].slots, Slots{1});
    EXPECT_EQ(own[1].slots, Slots{0});
    EXPECT_TRUE(own_slots(service, {&service.backends[0]}).empty()) << "the only one has what everybody has";
    service.self = SelfPolicy::deny;
    EXPECT_EQ(own_slots(service, {&service.backends[0]}).at(0).slots, Slots{});
}

}  // namespace
}  // namespace hairpin
