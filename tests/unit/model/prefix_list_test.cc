// Prefixes in any order, nested or side by side, are the set of their addresses.
#include "model/prefix_list.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <random>

#include "support/thread_time.h"
#include "unit/model/values.h"

namespace hairpin {
namespace {

std::vector<std::string> disjoint(const PrefixList& list) {
    std::vector<std::string> texts;
    for (const Prefix& prefix : list.disjoint()) texts.push_back(prefix.str());
    return texts;
}

using Texts = std::vector<std::string>;

TEST(PrefixList, HoldsNothingWhileEmpty) {
    EXPECT_TRUE(PrefixList().empty());
    EXPECT_TRUE(PrefixList(std::vector<Prefix>{}).empty());
    EXPECT_FALSE(PrefixList().contains(ip("10.0.0.1")));
    EXPECT_EQ(PrefixList(), PrefixList(std::vector<Prefix>{}));
}

TEST(PrefixList, RemembersWhatWasWrittenAndIsEqualByThat) {
    const PrefixList one = prefixes({"10.0.0.0/8", "9.0.0.0/8"});
    EXPECT_EQ(one.written()[0].str(), "10.0.0.0/8");
    EXPECT_EQ(one, prefixes({"10.0.0.0/8", "9.0.0.0/8"}));
    EXPECT_NE(one, prefixes({"9.0.0.0/8", "10.0.0.0/8"}));
    const std::vector<PrefixList> copies(2, one);
    EXPECT_EQ(copies[0].written().data(), copies[1].written().data()) << "they share it";
}

TEST(PrefixList, IsTheFewestPrefixesThatMakeItUp) {
    EXPECT_EQ(disjoint(prefixes({"10.0.0.128/25", "10.0.0.0/25", "10.0.1.0/24", "10.0.0.7"})), Texts{"10.0.0.0/23"});
    EXPECT_EQ(disjoint(prefixes({"10.0.1.0/24", "10.0.2.0/24"})), (Texts{"10.0.1.0/24", "10.0.2.0/24"}))
        << "neighbours, but no halves of one";
    EXPECT_EQ(disjoint(prefixes({"0.0.0.0/1", "128.0.0.0/1"})), Texts{"0.0.0.0/0"});
    EXPECT_EQ(disjoint(prefixes({"::/1", "8000::/1"})), Texts{"::/0"});
}

// ::ffff:10.0.0.1 is 10.0.0.1, and neither in ::/0 nor in the way of what lies behind it there.
TEST(PrefixList, KeepsFamiliesApart) {
    const PrefixList everybody6 = prefixes({"fd00::/8", "10.0.0.0/24", "::/0"});
    EXPECT_EQ(disjoint(everybody6), (Texts{"10.0.0.0/24", "::/0"}));
    EXPECT_TRUE(everybody6.contains(ip("fd00::1")));
    EXPECT_TRUE(everybody6.contains(ip("::1")));
    EXPECT_TRUE(everybody6.contains(ip("::ffff:10.0.0.1")));
    EXPECT_FALSE(everybody6.contains(ip("10.0.1.1")));
    EXPECT_FALSE(prefixes({"0.0.0.0/0"}).contains(ip("fd00::1")));
}

TEST(PrefixList, HoldsAPrefixThatItsPartsMakeUp) {
    const PrefixList halves = prefixes({"10.0.0.0/25", "10.0.0.128/25"});
    EXPECT_TRUE(halves.contains(prefix("10.0.0.0/24")));
    EXPECT_FALSE(halves.contains(prefix("10.0.0.0/23")));
    EXPECT_EQ(halves.find(prefix("10.0.0.0/24")), nullptr) << "none does alone";
}

TEST(PrefixList, FindsTheNarrowestThatWasWritten) {
    const PrefixList nested = prefixes({"10.0.0.0/8", "10.0.0.0/24", "10.0.0.0/16"});
    EXPECT_EQ(nested.find(ip("10.0.0.9"))->str(), "10.0.0.0/24");
    EXPECT_EQ(nested.find(ip("10.0.9.9"))->str(), "10.0.0.0/16");
    EXPECT_EQ(nested.find(ip("11.0.0.1")), nullptr);
}

TEST(PrefixList, HoldsWhatSomePrefixHolds) {
    std::mt19937 random(1);
    for (int round = 0; round < 300; ++round) {
        std::vector<Prefix> prefixes;
        for (size_t i = 0; i < 1 + random() % 12; ++i) {
            const bool v4 = random() % 2;
            const Ip base = v4 ? Ip::v4(0x0a000000 + random() % 64) : ip("fd00::" + std::to_string(random() % 10));
            prefixes.push_back(Prefix::of(base, (v4 ? 26 : 120) + static_cast<int>(random() % 7)));
        }
        const PrefixList made(prefixes);
        for (uint32_t host = 0; host < 80; ++host) {
            for (const Ip& ip : {Ip::v4(0x0a000000 + host), hairpin::ip("fd00::" + std::to_string(host))}) {
                const bool held = std::ranges::any_of(prefixes, [&](const Prefix& p) { return p.contains(ip); });
                ASSERT_EQ(made.contains(ip), held) << ip.str() << " in round " << round;
                ASSERT_EQ(made.find(ip) != nullptr, held);
            }
        }
        for (size_t i = 1; i < made.disjoint().size(); ++i) {
            ASSERT_FALSE(made.disjoint()[i - 1].overlaps(made.disjoint()[i]));
        }
    }
}

TEST(PrefixList, TakesAHundredThousandInItsStride) {
    std::vector<Prefix> prefixes;
    for (uint32_t i = 0; i < 100'000; ++i) prefixes.push_back(Prefix::of(Ip::v4(0x0a000000 + 2 * i), 32));
    const auto start = thread_time();
    const PrefixList made(prefixes);
    for (uint32_t i = 0; i < 200'000; ++i) ASSERT_EQ(made.contains(Ip::v4(0x0a000000 + i)), i % 2 == 0);
    // Asking one by one would take minutes.
    EXPECT_LT(thread_time() - start, std::chrono::seconds(20));
}

}  // namespace
}  // namespace hairpin
