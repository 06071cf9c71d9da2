#include "cli/input.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <CLI/App.hpp>
#include <nlohmann/json.hpp>

#include "config/values.h"
#include "engines/registry.h"

namespace hairpin {
namespace {

std::vector<std::string_view> engine_names() {
    std::vector<std::string_view> names;
    for (const EngineEntry& entry : engines()) names.push_back(entry.name);
    names.push_back(automatic_engine);
    return names;
}

// CLI11 takes the message of a value that does not suit; empty: it suits.
std::string check_engine(const std::string& name) {
    if (find_engine(name) || name == automatic_engine) return {};
    return fmt::format("there is no engine {}, only {}", in_quotes(name), either(engine_names()));
}

}  // namespace

void Input::add_file(CLI::App& app) {
    app.add_option("FILE", file, "configuration")->option_text(fmt::format("[{}]", default_file));
}

void Input::add_file_or_rules(CLI::App& app) {
    CLI::Option* from_file =
        app.add_option("-c,--config", file, "configuration")->option_text(fmt::format("FILE [{}]", default_file));
    app.add_option("RULE", rules, "in place of a file: ENDPOINT=BACKEND[@WEIGHT][,BACKEND...][/udp|/both]")
        ->option_text("...")
        ->excludes(from_file);
}

void Input::add_engine(CLI::App& app) {
    app.add_option("--engine", engine, "what carries the traffic")
        ->option_text(fmt::format("{}", fmt::join(engine_names(), "|")))
        ->check(CLI::Validator(check_engine, "ENGINE"));
}

Config Input::load(std::string* text) const {
    Config config = rules.empty() ? load_config(file, text) : parse_rules(rules);
    if (!engine.empty()) config.settings.engine = engine;
    return config;
}

bool sound(const Config& config) {
    for (const Diagnostic& diagnostic : config.errors) fmt::print(stderr, "{}\n", diagnostic.str());
    return config.errors.empty();
}

nlohmann::ordered_json to_json(std::span<const Diagnostic> diagnostics) {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const Diagnostic& diagnostic : diagnostics) {
        list.push_back({{"origin", diagnostic.origin},
                        {"line", diagnostic.line},
                        {"column", diagnostic.column},
                        {"message", diagnostic.message}});
    }
    return list;
}

}  // namespace hairpin
