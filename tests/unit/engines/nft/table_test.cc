// Parts are counted: what two of them have in common is in the table once, and until both are gone.
#include "engines/nft/table.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace hairpin::nft {
namespace {

Definition chain(std::string name, std::string body = "accept\n") {
    return {Definition::Kind::chain, std::move(name), std::move(body)};
}
Element element(std::string set, std::string key, std::string value = {}) {
    return {std::move(set), std::move(key), std::move(value)};
}

const Definition shared_chain = chain("profile.1");
const Element shared_element = element("self4", "10.0.0.2 . 10.0.0.2");
const Part one{{shared_chain}, {shared_element, element("to4", "1.0.0.1 . tcp . 80", "10.0.0.2 . 80")}};
const Part two{{shared_chain, chain("to.2")}, {shared_element, element("to4", "1.0.0.1 . tcp . 81", "10.0.0.2 . 81")}};

bool is_nothing(const Part& part) { return part.definitions.empty() && part.elements.empty(); }

TEST(Contents, WhatTwoPartsHaveInCommonIsAddedOnce) {
    Contents contents;
    const Change change = contents.replace({}, {one, two});
    EXPECT_TRUE(is_nothing(change.gone));
    EXPECT_EQ(change.added.definitions, (std::vector{shared_chain, chain("to.2")}));
    EXPECT_EQ(change.added.elements, (std::vector{one.elements[0], one.elements[1], two.elements[1]}));
}

TEST(Contents, WhatTwoPartsHaveInCommonStaysUntilBothAreGone) {
    Contents contents;
    contents.replace({}, {one, two});
    const Change first = contents.replace({two}, {});
    EXPECT_EQ(first.gone.definitions, (std::vector{chain("to.2")}));
    EXPECT_EQ(first.gone.elements, (std::vector{two.elements[1]}));
    EXPECT_TRUE(contents.holds_chain("profile.1"));
    const Change last = contents.replace({one}, {});
    EXPECT_EQ(last.gone.definitions, (std::vector{shared_chain}));
    EXPECT_EQ(last.gone.elements, one.elements);
    EXPECT_FALSE(contents.holds_chain("profile.1"));
}

TEST(Contents, WhatLeavesWithOnePartAndComesWithAnotherIsNotTouched) {
    Contents contents;
    contents.replace({}, {one});
    const Change change = contents.replace({one}, {two});
    EXPECT_EQ(change.added.definitions, (std::vector{chain("to.2")}));
    EXPECT_EQ(change.added.elements, (std::vector{two.elements[1]}));
    EXPECT_TRUE(change.gone.definitions.empty());
    EXPECT_EQ(change.gone.elements, (std::vector{one.elements[1]}));
}

// A map has one value for a key. The old one goes first, in the same transaction.
TEST(Contents, ANewValueForAKeyReplacesTheOldElement) {
    Contents contents;
    const Part before{{}, {element("to4", "1.0.0.1 . tcp . 80", "10.0.0.2 . 80")}};
    const Part after{{}, {element("to4", "1.0.0.1 . tcp . 80", "10.0.0.3 . 80")}};
    contents.replace({}, {before});
    EXPECT_EQ(commands(contents.replace({before}, {after})),
              "delete element inet hairpin to4 { 1.0.0.1 . tcp . 80 }\n"
              "add element inet hairpin to4 { 1.0.0.1 . tcp . 80 : 10.0.0.3 . 80 }\n");
}

TEST(Contents, ThereAndBackLeavesNothing) {
    Contents contents;
    contents.replace({}, {one});
    const Change there = contents.replace({one}, {two});
    const Change back = contents.replace({two}, {one});
    EXPECT_EQ(there.added.elements, back.gone.elements);
    EXPECT_EQ(there.gone.elements, back.added.elements);
    const Change end = contents.replace({one}, {});
    EXPECT_EQ(end.gone.elements.size(), one.elements.size());
    EXPECT_EQ(commands(contents.replace({}, {})), "");
}

// Chains are declared before elements name them, elements go before the chains that they name, and a timeout stays:
// live flows follow it.
TEST(Commands, AreInAnOrderThatTheKernelTakes) {
    const Definition timeout{Definition::Kind::timeout, "udp4.300", "protocol udp; l3proto ip\n"};
    const Part gone{{chain("to.old"), timeout}, {element("balance4", "1.0.0.1 . tcp . 80", "goto to.old")}};
    const Part added{{timeout, chain("to.new", "drop\n")},
                     {element("balance4", "1.0.0.1 . tcp . 80", "goto to.new"), element("ours4", "1.0.0.1"),
                      element("balance4", "1.0.0.1 . udp . 80", "goto to.new")}};
    EXPECT_EQ(
        commands({gone, added}),
        "table inet hairpin {\n"
        "ct timeout udp4.300 {\nprotocol udp; l3proto ip\n}\n"
        "chain to.new {\ndrop\n}\n"
        "}\n"
        "delete element inet hairpin balance4 { 1.0.0.1 . tcp . 80 }\n"
        "add element inet hairpin balance4 { 1.0.0.1 . tcp . 80 : goto to.new, 1.0.0.1 . udp . 80 : goto to.new }\n"
        "add element inet hairpin ours4 { 1.0.0.1 }\n"
        "flush chain inet hairpin to.old\n"
        "delete chain inet hairpin to.old\n");
}

TEST(Commands, OfNoChangeAreNone) { EXPECT_EQ(commands({}), ""); }

// Chains outlive the program that made them, so their names must not change with it. FNV-1a's published values.
TEST(Digest, IsTheSameInEveryVersion) {
    EXPECT_EQ(digest(""), "cbf29ce484222325");
    EXPECT_EQ(digest("a"), "af63dc4c8601ec8c");
    EXPECT_EQ(digest("foobar"), "85944171f73967e8");
}

TEST(Definition, KnowsItsChainsFromThoseOfTheFrame) {
    EXPECT_TRUE(Definition::names("to.srv1.0123abcd"));
    EXPECT_TRUE(Definition::names("profile.0123abcd"));
    EXPECT_TRUE(Definition::names("map.0123abcd"));
    for (const char* other : {"bytes4", "prerouting", "frame.0123abcd", "was.net.ipv4.ip_forward.0"}) {
        EXPECT_FALSE(Definition::names(other)) << other;
    }
}

}  // namespace
}  // namespace hairpin::nft
