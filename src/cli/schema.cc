#include <fmt/core.h>

#include <CLI/App.hpp>
#include <memory>

#include "cli/commands.h"
#include "config/schema.h"

namespace hairpin {

Action schema_command(CLI::App& app) {
    const auto markdown = std::make_shared<bool>(false);
    app.add_flag("--markdown", *markdown, "the reference of every key in place of the JSON Schema");
    app.footer(
        "Example:\n"
        "  hairpin schema > hairpin.schema.json\n\n"
        "Editors take it from the first line of a configuration:\n"
        "  # yaml-language-server: $schema=hairpin.schema.json");
    return [markdown] {
        fmt::print("{}", *markdown ? config_reference_markdown() : config_json_schema());
        return exit_ok;
    };
}

}  // namespace hairpin
