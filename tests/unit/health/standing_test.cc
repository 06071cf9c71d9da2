// Rise and fall, check by check.
#include "health/standing.h"

#include <gtest/gtest.h>

#include <string_view>

namespace hairpin::health {
namespace {

// One letter a check, '+' passed, '-' failed; what comes back has one a check too: whether the backend is up after it,
// 'u' or 'd', and 'U' or 'D' where that is a change.
std::string walk(std::string_view outcomes, uint32_t rise, uint32_t fall) {
    HealthCheck check;
    check.rise = rise;
    check.fall = fall;
    Standing standing;
    std::string seen;
    for (const char outcome : outcomes) {
        const bool changed = standing.take(outcome == '+', check);
        seen += standing.up() ? (changed ? 'U' : 'u') : (changed ? 'D' : 'd');
    }
    return seen;
}

TEST(Standing, FallsAfterSoManyFailedInARow) {
    EXPECT_EQ(walk("+---", 2, 3), "uuuD");
    EXPECT_EQ(walk("+--+---", 2, 3), "uuuuuuD") << "one that passes begins the count anew";
    EXPECT_EQ(walk("+-", 2, 1), "uD");
}

TEST(Standing, RisesAfterSoManyPassedInARow) {
    EXPECT_EQ(walk("+---++", 2, 3), "uuuDdU");
    EXPECT_EQ(walk("+---+-++", 2, 3), "uuuDdddU");
    EXPECT_EQ(walk("-+", 1, 3), "DU");
}

TEST(Standing, TheFirstCheckAloneDecides) {
    EXPECT_EQ(walk("-", 2, 3), "D");
    EXPECT_EQ(walk("-++", 2, 3), "DdU");
    EXPECT_FALSE(Standing().checked());
    EXPECT_TRUE(Standing().up());
}

TEST(Standing, CountsWhatCameInARow) {
    Standing standing;
    for (const bool passed : {true, true, false}) standing.take(passed, {});
    EXPECT_EQ(standing.in_a_row(), 1u);
    standing.take(false, {});
    EXPECT_EQ(standing.in_a_row(), 2u);
    EXPECT_TRUE(standing.checked());
}

TEST(Standing, ClientsThatFailKnockItDownUntilChecksPassOrItIsForgiven) {
    HealthCheck check;
    check.rise = 2;
    Standing standing;
    standing.take(true, check);
    EXPECT_TRUE(standing.knock_down(4));
    EXPECT_FALSE(standing.up());
    EXPECT_EQ(standing.in_a_row(), 4u);
    EXPECT_FALSE(standing.knock_down(4)) << "it is down";
    EXPECT_FALSE(standing.take(true, check));
    EXPECT_TRUE(standing.take(true, check));
    EXPECT_TRUE(standing.up());

    EXPECT_TRUE(standing.knock_down(1));
    standing.forgive();
    EXPECT_TRUE(standing.up());
    EXPECT_FALSE(standing.checked());
}

}  // namespace
}  // namespace hairpin::health
