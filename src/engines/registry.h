// The only list of engines.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "engines/engine.h"

namespace hairpin {

struct EngineEntry {
    std::string_view name;     // as in YAML and on the command line
    std::string_view summary;  // one line for the usage
    std::unique_ptr<Engine> (*make)(EngineOptions);
};

std::span<const EngineEntry> engines();
const EngineEntry* find_engine(std::string_view name);  // null: no such engine

}  // namespace hairpin
