// Who is let in, and which list keeps out whom it does not.
#include "model/admission.h"

#include <gtest/gtest.h>

#include "model/translate.h"
#include "unit/model/values.h"

namespace hairpin {
namespace {

Service guarded(PrefixList allow, PrefixList deny) {
    Service made = service("guarded", {"1.0.0.1:80"}, {"10.0.0.2:80"});
    made.allow = std::move(allow);
    made.deny = std::move(deny);
    return made;
}

TEST(Admission, WithoutListsEverybodyIsLetIn) {
    for (const auto* client : {"1.0.0.100", "fd00::1"}) EXPECT_TRUE(admits(guarded({}, {}), ip(client)));
}

TEST(Admission, AllowIsForThoseWhomItLists) {
    const Service service = guarded(prefixes({"10.0.0.0/24"}), {});
    EXPECT_TRUE(admits(service, ip("10.0.0.9")));
    EXPECT_TRUE(admits(service, ip("::ffff:10.0.0.9")));
    EXPECT_FALSE(admits(service, ip("10.0.1.9")));
    EXPECT_FALSE(admits(service, ip("fd00::1"))) << "nobody of a family that it does not name";
    EXPECT_EQ(denial(service, ip("10.0.1.9"))->list, Denial::List::allow);
    EXPECT_FALSE(denial(service, ip("10.0.1.9"))->prefix);
}

TEST(Admission, DenyWins) {
    const Service service = guarded(prefixes({"10.0.0.0/8"}), prefixes({"10.0.0.0/16", "10.0.0.0/24"}));
    EXPECT_TRUE(admits(service, ip("10.1.0.1")));
    EXPECT_FALSE(admits(service, ip("10.0.0.9")));
    EXPECT_EQ(denial(service, ip("10.0.0.9"))->list, Denial::List::deny);
    EXPECT_EQ(denial(service, ip("10.0.0.9"))->prefix, prefix("10.0.0.0/24"));
    EXPECT_FALSE(denial(service, ip("10.1.0.1")));
}

TEST(Admission, NobodyElseIsDenied) {
    const Service service = guarded({}, prefixes({"10.0.0.0/24"}));
    EXPECT_TRUE(admits(service, ip("1.0.0.100")));
    EXPECT_TRUE(admits(service, ip("fd00::1")));
}

// The one decision says so, too.
TEST(Admission, WhoIsKeptOutIsLedNowhere) {
    Service hashed = guarded({}, prefixes({"1.0.0.100"}));
    hashed.backends.push_back({range("10.0.0.3:80")});
    hashed.balance = Balance::source_hash;
    const Ruleset ruleset({hashed});
    const Topology topology = two_legged().topology();
    const auto asks = [&](std::string_view client) {
        return Leg{Protocol::tcp, endpoint(client), endpoint("1.0.0.1:80")};
    };
    EXPECT_FALSE(translate(ruleset, topology, asks("1.0.0.100:1"), {0}));
    EXPECT_TRUE(translate(ruleset, topology, asks("1.0.0.101:1"), {0}));
    EXPECT_TRUE(translate_admitted(ruleset, topology, asks("1.0.0.100:1"), {0}));
    EXPECT_TRUE(slots_for(ruleset, topology, asks("1.0.0.100:1")).empty());
    EXPECT_EQ(slots_for(ruleset, topology, asks("1.0.0.101:1")).size(), 2u);
    EXPECT_FALSE(choose_by_source(ruleset, topology, asks("1.0.0.100:1")));
}

TEST(Admission, IsNoRuleThatAUdpSessionLivesUnder) {
    EXPECT_TRUE(treats_alike(guarded({}, {}), guarded(prefixes({"10.0.0.0/8"}), prefixes({"10.0.0.0/24"}))));
}

}  // namespace
}  // namespace hairpin
