#include <fmt/core.h>

#include <CLI/App.hpp>
#include <memory>

#include "cli/commands.h"
#include "config/schema.h"
#include "daemon/openapi.h"

namespace hairpin {

Action schema_command(CLI::App& app) {
    struct Options {
        bool markdown = false;
        bool api = false;
    };
    const auto options = std::make_shared<Options>();
    app.add_flag("--markdown", options->markdown, "the reference of every key in place of the JSON Schema");
    app.add_flag("--api", options->api, "the OpenAPI document of what a running gateway can be asked")
        ->excludes("--markdown");
    app.footer(
        "Example:\n"
        "  hairpin schema > hairpin.schema.json\n\n"
        "Editors take it from the first line of a configuration:\n"
        "  # yaml-language-server: $schema=hairpin.schema.json");
    return [options] {
        if (options->api) {
            fmt::print("{}", openapi_document());
        } else {
            fmt::print("{}", options->markdown ? config_reference_markdown() : config_json_schema());
        }
        return exit_ok;
    };
}

}  // namespace hairpin
