// Where a subcommand takes the services from: a file, or rules on its command line.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "config/config.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace hairpin {

inline constexpr const char* default_file = "/etc/hairpin/hairpin.yaml";

struct Input {
    std::string file = default_file;
    std::vector<std::string> rules;  // not empty: they are used in place of the file
    std::string engine;              // not empty: in place of the configured one

    void add_file(CLI::App& app);           // [FILE]
    void add_file_or_rules(CLI::App& app);  // -c FILE | ENDPOINT=BACKEND...; both are a usage error
    void add_engine(CLI::App& app);         // --engine ENGINE

    // Reads it anew at each call; `text` gets what was read of a file.
    Config load(std::string* text = nullptr) const;
};

// Prints all that is wrong with the configuration to stderr; true if nothing is.
bool sound(const Config& config);

// The same for programs: a list of {"origin", "line", "column", "message"}.
nlohmann::ordered_json to_json(std::span<const Diagnostic> diagnostics);

}  // namespace hairpin
