#include "config/schema.h"

#include <nlohmann/json.hpp>

#include "config/keys.h"
#include "config/values.h"

namespace hairpin {
namespace {

using Json = nlohmann::ordered_json;
using std::chrono::milliseconds;

constexpr std::string_view endpoint_pattern = R"(^([0-9.]+|\[[0-9A-Fa-f:.]+\]):[0-9]+(-[0-9]+)?$)";
constexpr std::string_view backend_pattern = R"(^([0-9A-Za-z._-]+|\[[0-9A-Fa-f:.]+\]):[0-9]+(-[0-9]+)?$)";
constexpr std::string_view listen_pattern =
    R"(^([0-9.]+|\[[0-9A-Fa-f:.]+\]|[^:/ \[]*[A-Za-z][^:/ \[]*):[0-9]+(-[0-9]+)?$)";

Json text_like(std::string_view pattern) { return {{"type", "string"}, {"pattern", pattern}}; }

// YAML takes some words for something else than text.
Json any_text() { return {{"type", Json::array({"string", "number", "boolean"})}}; }

Json one_or_list(const Json& item) {
    const Json list = {{"type", "array"}, {"minItems", 1}, {"items", item}};
    return {{"oneOf", Json::array({item, list})}};
}

Json mapping_schema(const std::string& path);

// Where keys stand in a value, it may be a mapping of them, too.
Json or_mapping(const Key& key, const Json& plain) {
    if (keys_in(key.path()).empty()) return plain;
    return {{"oneOf", Json::array({plain, mapping_schema(key.path())})}};
}

// What the value of a key may look like.
Json value_schema(const Key& key) {
    switch (key.type) {
        case Key::Type::mapping:
            return mapping_schema(key.path());
        case Key::Type::choice:
            return or_mapping(key, {{"type", "string"}, {"enum", key.words}});
        case Key::Type::count: {
            Json number = {{"type", "integer"}, {"minimum", key.least}, {"maximum", key.most}};
            if (key.words.empty()) return number;
            return {{"oneOf", Json::array({number, {{"type", "string"}, {"enum", key.words}}})}};
        }
        case Key::Type::duration:
            return text_like("^[0-9]+(ms|s|m|h)$");
        case Key::Type::endpoint:
            return text_like(endpoint_pattern);
        case Key::Type::endpoints:
            return one_or_list(text_like(endpoint_pattern));
        case Key::Type::backend:
            return text_like(backend_pattern);
        case Key::Type::backends:
            return one_or_list(or_mapping(key, text_like(backend_pattern)));
        case Key::Type::listens:
            return one_or_list(text_like(listen_pattern));
        case Key::Type::addresses:
            return one_or_list(text_like("^[0-9A-Fa-f:.]+$"));
        case Key::Type::prefixes:
            return one_or_list(text_like("^[0-9A-Fa-f:.]+(/[0-9]+)?$"));
        case Key::Type::flag:
            return {{"type", "boolean"}};
        case Key::Type::text:
            return any_text();
        case Key::Type::statuses:
            return one_or_list({{"type", Json::array({"integer", "string"})},
                                {"minimum", 100},
                                {"maximum", 599},
                                {"pattern", "^[1-5][0-9][0-9](-[1-5][0-9][0-9])?$"}});
        case Key::Type::arguments:
            return one_or_list(any_text());
    }
    return {};
}

Json key_schema(const Key& key) {
    Json schema = {{"description", key.description}};
    if (!key.fallback.empty()) schema["default"] = key.fallback;
    // A default is written as YAML: a number there is a number here.
    if (key.type == Key::Type::count) {
        if (const auto number = parse_count(key.fallback, key.least, key.most)) schema["default"] = *number;
    }
    if (key.type == Key::Type::flag) schema["default"] = key.fallback == "true";
    schema.update(value_schema(key));
    return schema;
}

Json mapping_schema(const std::string& path) {
    Json schema = {{"type", "object"}, {"additionalProperties", false}};
    Json required = Json::array();
    Json either = Json::array();
    for (const Key* key : keys_in(path)) {
        if (key->name == "*") {
            schema["minProperties"] = 1;
            schema["patternProperties"][std::string(name_pattern)] = key_schema(*key);
        } else {
            schema["properties"][std::string(key->name)] = key_schema(*key);
            if (key->required) required.push_back(key->name);
            if (key->either) either.push_back({{"required", Json::array({key->name})}});
        }
    }
    if (!required.empty()) schema["required"] = required;
    if (!either.empty()) schema["oneOf"] = either;
    return schema;
}

std::string code(std::string_view text) { return "`" + std::string(text) + "`"; }

std::string type_text(const Key& key) {
    std::string text;
    switch (key.type) {
        case Key::Type::mapping:
            return "mapping";
        case Key::Type::choice:
        case Key::Type::count:
            if (key.type == Key::Type::count) {
                text = std::string(key.unit) + ", " + std::to_string(key.least) + " to " + std::to_string(key.most);
            }
            for (const std::string_view word : key.words) text += (text.empty() ? "" : ", ") + code(word);
            return text + (key.type == Key::Type::choice && !keys_in(key.path()).empty() ? ", or a mapping" : "");
        case Key::Type::duration:
            return "duration, " + code(duration_text(milliseconds(key.least))) + " to " +
                   code(duration_text(milliseconds(key.most)));
        case Key::Type::endpoint:
            return "endpoint";
        case Key::Type::endpoints:
            return "endpoint or list of endpoints";
        case Key::Type::backend:
            return "endpoint or NAME:PORT";
        case Key::Type::backends:
            return "endpoint, NAME:PORT or list of them; each may be a mapping";
        case Key::Type::listens:
            return "endpoint, LINK:PORT or list of them";
        case Key::Type::addresses:
            return "address or list of addresses";
        case Key::Type::prefixes:
            return "prefix or list of prefixes";
        case Key::Type::flag:
            return "`true` or `false`";
        case Key::Type::text:
            return "text";
        case Key::Type::statuses:
            return "HTTP status, range or list of them";
        case Key::Type::arguments:
            return "program or list of it and its arguments";
    }
    return {};
}

std::string default_text(const Key& key) {
    if (key.required) return "required";
    if (key.either) return "one of these";
    return key.fallback.empty() ? "none" : code(key.fallback);
}

}  // namespace

std::string config_reference_markdown() {
    std::string table = "| key | value | default | meaning |\n|---|---|---|---|\n";
    for (const Key& key : all_keys()) {
        table += "| " + code(key.path()) + " | " + type_text(key) + " | " +
                 (key.name == "*" ? "at least one" : default_text(key)) + " | " + std::string(key.description) + " |\n";
    }
    return table;
}

std::string config_json_schema() {
    Json schema = {{"$schema", "http://json-schema.org/draft-07/schema#"},
                   {"title", "hairpin configuration"},
                   {"description", "See docs/config.md. Written by 'hairpin schema' from the table of keys."}};
    schema.update(mapping_schema(""));
    return schema.dump(2) + "\n";
}

}  // namespace hairpin
