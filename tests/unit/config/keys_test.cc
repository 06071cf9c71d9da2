// The table of keys is held to the parser, to the model, and to what is committed under docs/.
#include "config/keys.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "config/config.h"
#include "config/schema.h"

namespace hairpin {
namespace {

std::string contents(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    EXPECT_TRUE(file) << path;
    return {std::istreambuf_iterator<char>(file), {}};
}

// What a key means nothing without.
std::string needs(const Key& key) {
    const bool of_http = key.parent == "services.*.health" && (key.name == "path" || key.name == "status");
    return of_http ? "kind: http, " : "";
}

// A file that holds this value at this path, and a valid service beside it.
std::string with(const Key& key, const std::string& value) {
    std::string setting = std::string(key.name) + ": " + value;
    if (key.path() == "services.*.health.kind" && value == "none") setting += ", passive: {}";
    std::string service = "services: {a: {listen: 1.0.0.1:80, backends: 10.0.0.2:80";
    if (key.parent.empty()) return (key.name == "services" ? "" : service + "}}\n") + setting;
    if (key.parent == "services") return "services: {a: " + value + "}";
    if (key.required && key.parent == "services.*") return "services: {a: {" + setting + "}}";
    if (key.parent == "services.*") return service + ", " + setting + "}}";
    if (key.parent == "services.*.backends") {
        const std::string endpoint = key.name == "endpoint" ? "" : "endpoint: 10.0.0.2:80, ";
        return "services: {a: {listen: 1.0.0.1:80, backends: {" + endpoint + setting + "}}}";
    }
    if (key.parent == "api") return service + "}}\napi: {" + setting + "}";
    const std::string outer(key.parent.substr(key.parent.rfind('.') + 1));
    if (outer == "health") service += ", protocol: both";
    if (outer == "passive") return service + ", health: {passive: {" + setting + "}}}}";
    return service + ", " + outer + ": {" + needs(key) + setting + "}}}";
}

// That a key of the table is read at all shows in that nonsense is refused under its name.
TEST(Keys, EveryKeyOfTheTableIsRead) {
    for (const Key& key : all_keys()) {
        const bool is_mapping = key.type == Key::Type::mapping;
        const Config config = parse_config(with(key, is_mapping ? "nonsense" : "{nonsense: 1}"), "test.yaml");
        const std::string label = key.name == "*" ? "a" : key.label();
        const auto names_it = [&](const Diagnostic& error) {
            return error.message.starts_with(label) ||
                   error.message.find("unknown key 'nonsense'") != std::string::npos;
        };
        EXPECT_TRUE(std::ranges::any_of(config.errors, names_it)) << key.path();
    }
}

TEST(Keys, TheDefaultsOfTheTableAreTheDefaultsOfTheModel) {
    const Config plain = parse_config("services: {a: {listen: 1.0.0.1:80, backends: 10.0.0.2:80}}", "test.yaml");
    ASSERT_EQ(plain.services.size(), 1u);
    int defaults = 0;
    for (const Key& key : all_keys()) {
        if (key.fallback.empty()) continue;
        ++defaults;
        const Config written = parse_config(with(key, std::string(key.fallback)), "test.yaml");
        if (key.parent == "services.*.health") {  // where it is given, there is a check
            const Key* kind = find_key(key.parent, "kind");
            const Config check = parse_config(with(*kind, needs(key).empty() ? "tcp" : "http"), "test.yaml");
            EXPECT_EQ(written.services, check.services) << key.path();
            continue;
        }
        if (key.parent == "services.*.health.passive") {  // likewise
            const Config passive = parse_config(with(*find_key("services.*.health", "passive"), "{}"), "test.yaml");
            ASSERT_EQ(passive.services.size(), 1u);
            Service expected = passive.services.front();
            expected.protocols = Protocols::tcp;
            EXPECT_EQ(written.services, std::vector{expected}) << key.path();
            continue;
        }
        EXPECT_EQ(written.services, plain.services) << key.path();
        EXPECT_EQ(written.settings, plain.settings) << key.path();
    }
    EXPECT_GE(defaults, 8);
}

TEST(Keys, EveryWordIsAccepted) {
    for (const Key& key : all_keys()) {
        for (const std::string_view word : key.words) {
            const Config config = parse_config(with(key, std::string(word)), "test.yaml");
            EXPECT_TRUE(config.errors.empty()) << key.path() << ": " << word;
        }
    }
    EXPECT_EQ(find_key("services.*", "source")->words.size() + 1, names_of<SourcePolicy>.size()) << "all but map";
}

TEST(Keys, DefaultsTakesWhatNoServiceMustGiveItself) {
    EXPECT_EQ(find_key("defaults", "listen"), nullptr);
    EXPECT_EQ(find_key("defaults", "backends"), nullptr);
    EXPECT_EQ(find_key("defaults", "source"), find_key("services.*", "source"));
    EXPECT_EQ(keys_in("defaults").size() + 2, keys_in("services.*").size());
}

TEST(Documentation, TheReferenceIsTheTable) {
    const std::string page = contents(HAIRPIN_SOURCE_DIR "/docs/config.md");
    const std::string begin = "<!-- reference: written by `hairpin schema --markdown` -->\n";
    const size_t from = page.find(begin);
    const size_t to = page.find("<!-- end of reference -->");
    ASSERT_TRUE(from != page.npos && to != page.npos) << "docs/config.md has lost the markers of its reference";
    EXPECT_EQ(page.substr(from + begin.size(), to - from - begin.size()), config_reference_markdown())
        << "put the output of `hairpin schema --markdown` between the markers in docs/config.md";
}

TEST(Documentation, TheSchemaIsTheTable) {
    EXPECT_EQ(contents(HAIRPIN_SOURCE_DIR "/docs/hairpin.schema.json"), config_json_schema())
        << "run: hairpin schema > docs/hairpin.schema.json";
}

// The blocks of docs/config.md that are whole configurations are accepted.
TEST(Documentation, ItsExamplesHold) {
    const std::string page = contents(HAIRPIN_SOURCE_DIR "/docs/config.md");
    const std::string fence = "```yaml\n";
    int blocks = 0;
    for (size_t at = page.find(fence); at != page.npos; at = page.find(fence, at + 1)) {
        const size_t from = at + fence.size();
        const std::string text = page.substr(from, page.find("```", from) - from);
        if (text.find("services:") == text.npos) continue;
        ++blocks;
        for (const Diagnostic& error : parse_config(text, "docs/config.md").errors) ADD_FAILURE() << error.str();
    }
    EXPECT_GE(blocks, 5);
}

}  // namespace
}  // namespace hairpin
