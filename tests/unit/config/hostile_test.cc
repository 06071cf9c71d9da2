// Text made to hurt its reader is refused in bounded time and memory.
#include <gtest/gtest.h>

#include <chrono>

#include "config/config.h"
#include "config/yaml.h"
#include "support/thread_time.h"

namespace hairpin {
namespace {

std::string repeated(std::string_view text, size_t times) {
    std::string whole;
    whole.reserve(text.size() * times);
    for (size_t i = 0; i < times; ++i) whole += text;
    return whole;
}

// The first error. The bound leaves room for sanitizers; what is quadratic takes hours.
std::string refusal(const std::string& text) {
    const auto start = thread_time();
    const Config config = parse_config(text, "hostile");
    EXPECT_LT(thread_time() - start, std::chrono::seconds(30));
    EXPECT_LE(config.errors.size(), 1001u);
    return config.errors.empty() ? "accepted" : config.errors.front().str();
}

constexpr std::string_view too_deep = ": nested more than 32 levels deep";
constexpr std::string_view too_many = ": holds more than 2000000 values, aliases written out";

TEST(Hostile, DeepNesting) {
    std::string blocks;
    for (size_t depth = 0; depth < 2000; ++depth) blocks += std::string(depth, ' ') + "a:\n";
    EXPECT_EQ(refusal(repeated("[", 100'000)), "hostile:1:33" + std::string(too_deep));
    EXPECT_EQ(refusal(repeated("{a: ", 100'000)), "hostile:1:129" + std::string(too_deep));
    EXPECT_EQ(refusal(repeated("- ", 100'000)), "hostile:1:65" + std::string(too_deep));
    EXPECT_EQ(refusal(repeated("? ", 100'000)), "hostile:1:65" + std::string(too_deep));
    EXPECT_EQ(refusal(blocks), "hostile:33:33" + std::string(too_deep));
}

TEST(Hostile, BillionLaughs) {
    std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
    for (int i = 1; i < 20; ++i) {
        const std::string before = "*a" + std::to_string(i - 1);
        text +=
            "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + repeated(before + ", ", 9) + before + "]\n";
    }
    EXPECT_EQ(refusal(text), "hostile:7:5" + std::string(too_many));
}

TEST(Hostile, AliasesInsideWhatTheyName) {
    EXPECT_EQ(refusal("services: &a {b: *a}"), "hostile:1:18: this alias names no value that ends before it");
    EXPECT_EQ(refusal("services: [&a x, &a [*a]]"), "hostile:1:22: this alias names no value that ends before it");
}

TEST(Hostile, ManyValues) {
    EXPECT_TRUE(refusal("[" + repeated("[],", 2'500'000) + "]").ends_with(too_many));
    EXPECT_TRUE(refusal("[&a x" + repeated(",*a", 2'500'000) + "]").ends_with(too_many));
    EXPECT_TRUE(refusal("[" + repeated("a,", 2'500'000) + "]").ends_with(too_many));
}

TEST(Hostile, ManyAnchors) {
    std::string text = "services:\n";
    for (int i = 0; i < 200'000; ++i) text += "  s" + std::to_string(i) + ": &x" + std::to_string(i) + " 1\n";
    EXPECT_EQ(refusal(text), "hostile:2:7: s0: must be a mapping: write KEY: VALUE, one a line");
}

TEST(Hostile, ManyTagDirectives) {
    std::string text;
    for (int i = 0; i < 200'000; ++i) text += "%TAG !t" + std::to_string(i) + "! x\n";
    EXPECT_EQ(refusal(text + "--- a\n"), "hostile: %TAG directives mean nothing here: remove them");
}

TEST(Hostile, HugeTokensAreNotRepeatedInMessages) {
    const std::string huge(16u << 20, 'a');
    EXPECT_LT(refusal(huge).size(), 200u);
    EXPECT_LT(refusal(huge + ": x").size(), 200u);
    EXPECT_LT(refusal("? " + huge + "\n: x").size(), 200u);
    EXPECT_LT(refusal("services: &" + huge + " x").size(), 200u);
    EXPECT_LT(refusal("services: !" + huge + " x").size(), 200u);
    EXPECT_LT(refusal("services: {a: {listen: " + huge + "}}").size(), 200u);
    EXPECT_LT(refusal("services: {? " + huge + " : {listen: x}}").size(), 200u);
    EXPECT_EQ(refusal(repeated("#\n", 16'000'000)).substr(0, 20), "hostile: no services");
}

TEST(Hostile, ManyMistakesAreCutOff) {
    std::string text = "services:\n";
    for (int i = 0; i < 100'000; ++i) text += "  s" + std::to_string(i) + ": {listne: x}\n";
    const Config config = parse_config(text, "hostile");
    EXPECT_EQ(config.errors.size(), 1001u);
    EXPECT_EQ(config.errors.back().str(), "hostile: has more problems than these; the rest is not shown");
}

TEST(Hostile, DefaultsAreNotMultipliedByServices) {
    std::string text =
        "defaults: {proxy_protocol: {accept_from: [" + repeated("10.0.0.0/8,", 100'000) + "]}}\nservices:\n";
    for (int i = 0; i < 1000; ++i) {
        text +=
            "  s" + std::to_string(i) + ": {listen: 1.0.0.1:" + std::to_string(i + 1) + ", backends: 10.0.0.2:80}\n";
    }
    EXPECT_EQ(refusal(text), "hostile:13:3: too many services for so many prefixes in 'defaults'");
}

TEST(Hostile, TooLarge) { EXPECT_EQ(refusal(std::string(yaml::max_bytes + 1, '#')), "hostile: larger than 32 MiB"); }

TEST(Hostile, BytesThatAreNoText) {
    EXPECT_EQ(refusal("a: \xff"), "hostile:1:4: invalid leading UTF-8 octet: write the file in UTF-8");
    EXPECT_EQ(refusal("a: \xc0\x80"), "hostile:1:4: invalid length of a UTF-8 sequence: write the file in UTF-8");
    EXPECT_EQ(refusal("a: \xed\xa0\x80"), "hostile:1:4: invalid Unicode character");
    EXPECT_EQ(refusal(std::string("a\n: \0", 5)), "hostile:2:3: control characters are not allowed");
    EXPECT_EQ(refusal("a: b\xc3"), "hostile:1:5: incomplete UTF-8 octet sequence: write the file in UTF-8");
}

// What a large site may have loads at once: two seconds even with sanitizers, a third of one without.
TEST(Hostile, AHundredThousandServicesAreNotHostile) {
    std::string text = "services:\n";
    for (int i = 0; i < 100'000; ++i) {
        text += "  s" + std::to_string(i) + ": {listen: 1.0." + std::to_string(i / 50'000) +
                ".1:" + std::to_string(i % 50'000 + 1) + ", backends: [10.0.0.2:" + std::to_string(i % 60'000 + 1) +
                ", 10.0.0.3:80]}\n";
    }
    const auto start = thread_time();
    const Config config = parse_config(text, "large.yaml");
    EXPECT_LT(thread_time() - start, std::chrono::seconds(20));
    EXPECT_EQ(config.services.size(), 100'000u);
    for (const Diagnostic& error : config.errors) ADD_FAILURE() << error.str();
}

}  // namespace
}  // namespace hairpin
