// Durations, counts, quotes and suggestions.
#include "config/values.h"

#include <gtest/gtest.h>

#include <array>

namespace hairpin {
namespace {

using namespace std::chrono_literals;

auto duration(std::string_view text) { return parse_duration(text, 0ms, 24h); }

TEST(ParseDuration, TakesAWholeNumberAndAUnit) {
    EXPECT_EQ(*duration("250ms"), 250ms);
    EXPECT_EQ(*duration("30s"), 30s);
    EXPECT_EQ(*duration("5m"), 5min);
    EXPECT_EQ(*duration("2h"), 2h);
    EXPECT_EQ(*duration("0s"), 0s);
    EXPECT_EQ(*duration("24h"), 24h);
}

TEST(ParseDuration, RefusesEverythingElse) {
    for (const char* text :
         {"", "s", "5", "-5s", "+5s", "1.5s", "5 s", "5S", "5sec", "5m30s", "010s", "0x10s", "5s "}) {
        EXPECT_FALSE(duration(text)) << text;
    }
}

TEST(ParseDuration, DoesNotOverflow) {
    for (const char* text : {"25h", "9223372036854775807h", "9223372036854775808ms", "99999999999999999999999999s"}) {
        ASSERT_FALSE(duration(text)) << text;
        EXPECT_NE(duration(text).error().message.find("out of range: write 0s to 24h"), std::string::npos);
    }
    EXPECT_FALSE(parse_duration("1ms", 2ms, 1h));
}

TEST(ParseDuration, ABareNumberIsToldItsUnitIsMissing) {
    EXPECT_EQ(duration("30").error().message, "'30' lacks a unit: write ms, s, m or h behind the number, as in 30s");
}

TEST(DurationText, IsReadBackAsTheSame) {
    for (const auto value : {0ms, 1ms, 1500ms, 30'000ms, 90'000ms, 300'000ms, 86'400'000ms}) {
        EXPECT_EQ(*duration(duration_text(value)), value);
    }
    EXPECT_EQ(duration_text(300s), "5m");
}

TEST(ParseCount, IsBoundedOnBothSides) {
    EXPECT_EQ(*parse_count("1", 1, 10), 1);
    EXPECT_EQ(*parse_count("10", 1, 10), 10);
    for (const char* text : {"0", "11", "-1", "", "1x", " 1", "1.0", "01", "99999999999999999999"}) {
        EXPECT_FALSE(parse_count(text, 1, 10)) << text;
    }
}

TEST(Quoted, IsShortAndPrintable) {
    EXPECT_EQ(in_quotes("a b"), "'a b'");
    EXPECT_EQ(in_quotes("\x1b[31m\n\x7f"),
              "'?[31m?"
              "?'");
    EXPECT_EQ(in_quotes("gr\xc3\xb6\xc3\x9f"
                        "er"),
              "'gr?"
              "?er'");
    EXPECT_LT(in_quotes(std::string(1 << 20, 'x')).size(), 80u);
}

TEST(Nearest, FindsTheSlipAndOnlyThat) {
    constexpr auto words = std::to_array<std::string_view>({"listen", "backends", "protocol"});
    EXPECT_EQ(nearest("listne", words), "listen");
    EXPECT_EQ(nearest("backend", words), "backends");
    EXPECT_EQ(nearest("Protocoll", words), "protocol");
    EXPECT_EQ(nearest("port", words), std::nullopt);
    EXPECT_EQ(nearest("", words), std::nullopt);
    EXPECT_EQ(nearest(std::string(1 << 20, 'x'), words), std::nullopt);
}

}  // namespace
}  // namespace hairpin
