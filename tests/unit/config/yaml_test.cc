// The tree of values: kinds, texts and places, as written.
#include "config/yaml.h"

#include <gtest/gtest.h>

namespace hairpin::yaml {
namespace {

Document parsed(std::string_view text) {
    auto result = parse(text);
    if (const auto* failure = std::get_if<Failure>(&result)) {
        ADD_FAILURE() << failure->mark.line << ":" << failure->mark.column << ": " << failure->message;
        return {};
    }
    return std::get<Document>(std::move(result));
}

std::pair<int, int> place(const Node& node) { return {node.mark().line, node.mark().column}; }

TEST(Yaml, KindsTextsAndPlaces) {
    const Document document = parsed("list: [a, 'b c', \"\\x41\"]\nmap:\n  key: |\n    two\n    lines\n");
    const auto entries = document.root().entries();
    ASSERT_EQ(entries.size(), 2u);
    EXPECT_EQ(entries[0].first.text(), "list");
    EXPECT_EQ(entries[0].second.kind(), Kind::sequence);
    EXPECT_EQ(entries[0].second.text(), "");
    const auto items = entries[0].second.items();
    ASSERT_EQ(items.size(), 3u);
    EXPECT_EQ(items[1].text(), "b c");
    EXPECT_EQ(items[2].text(), "A");
    EXPECT_EQ(place(items[1]), std::pair(1, 11));
    const auto inner = entries[1].second.entries();
    ASSERT_EQ(inner.size(), 1u);
    EXPECT_EQ(place(inner[0].first), std::pair(3, 3));
    EXPECT_EQ(inner[0].second.text(), "two\nlines\n");
    EXPECT_TRUE(inner[0].second.items().empty()) << "a scalar has no items";
}

TEST(Yaml, TextMayHoldAnything) {
    EXPECT_EQ(parsed("\"a\\0b\"").root().text(), std::string_view("a\0b", 3));
    EXPECT_EQ(parsed("''").root().text(), "");
}

TEST(Yaml, AnAliasSharesItsValueAndTheLastAnchorOfAName) {
    const Document document = parsed("[&a x, *a, &a y, *a]");
    std::string texts;
    for (const Node& item : document.root().items()) texts += item.text();
    EXPECT_EQ(texts, "xxyy");
    EXPECT_EQ(place(document.root().items()[3]), std::pair(1, 12)) << "where the value is, not the alias";
}

TEST(Yaml, NothingButCommentsIsEmpty) {
    EXPECT_TRUE(parsed("").empty());
    EXPECT_TRUE(parsed("# a comment\n").empty());
    EXPECT_FALSE(parsed("---\n").empty()) << "a document whose value is empty text";
}

TEST(Yaml, StandardTagsAndVersionsAreNoMistake) {
    EXPECT_EQ(parsed("%YAML 1.2\n--- !!str 5m\n...\n").root().text(), "5m");
}

}  // namespace
}  // namespace hairpin::yaml
