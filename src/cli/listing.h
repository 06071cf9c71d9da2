// What the subcommands share that show a list of the API's: a table for people, or its JSON for programs.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "cli/commands.h"

namespace hairpin {

struct Listing {
    std::string name;  // of the subcommand, of the list in the answer, and of its path behind /v1/
    std::string json_help;
    std::string (*table)(const nlohmann::json& list);
    std::string (*remark)(const nlohmann::json& answer) = [](const nlohmann::json&) { return std::string(); };
};

Action listing_command(CLI::App& app, const Listing& listing);

}  // namespace hairpin
