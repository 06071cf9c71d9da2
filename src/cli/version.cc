#include <fmt/core.h>

#include <CLI/App.hpp>

#include "cli/commands.h"

namespace hairpin {

Action version_command(CLI::App& app) {
    app.footer("Example:\n  hairpin version");
    return [] {
        fmt::print("hairpin {}\n", HAIRPIN_VERSION);
        return exit_ok;
    };
}

}  // namespace hairpin
