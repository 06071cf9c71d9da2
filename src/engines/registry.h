// The only list of engines, and how `engine: auto` chooses among them.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engines/engine.h"

namespace hairpin {

struct EngineEntry {
    std::string_view name;     // as in YAML and on the command line
    std::string_view summary;  // one line for the usage
    std::unique_ptr<Engine> (*make)(EngineOptions);
    bool automatic = true;  // `engine: auto` may take it
    // What it leaves in the kernel, as the names of those that take that over from each other; empty: nothing.
    std::string_view kernel_state = {};
};

std::span<const EngineEntry> engines();                 // the last is the best, the first runs anywhere
const EngineEntry* find_engine(std::string_view name);  // null: no such engine

// In place of a name: the best engine that the configuration and the machine allow.
inline constexpr std::string_view automatic_engine = "auto";

struct Selection {
    std::unique_ptr<Engine> engine;
    std::vector<std::string> passed_over;  // "nft: WHY", the better ones
};

// What `auto` asks of one: that this machine lets it serve, and that nothing may keep some clients out.
Result<> check_unhindered(Engine& engine, const Desired& desired);

// The engine of that name. With `auto` the best one that `allows` lets pass and that does all the configuration asks
// for; if there is none, the best without a fatal gap. An error where there is none of these either, or none of that
// name.
Result<Selection> select_engine(std::string_view name, const EngineOptions& options, const Ruleset& ruleset,
                                const std::function<Result<>(Engine&)>& allows);

}  // namespace hairpin
