#include <fmt/core.h>

#include <CLI/App.hpp>
#include <set>

#include "cli/commands.h"
#include "engines/registry.h"

namespace hairpin {
namespace {

int run() {
    int status = exit_ok;
    std::set<std::string_view> cleared_states = {""};
    for (const EngineEntry& entry : engines()) {
        if (!cleared_states.insert(entry.kernel_state).second) continue;
        const auto cleared = entry.make({})->clear();
        if (cleared) continue;
        fmt::print(stderr, "hairpin clear: engine {}: {}\n", entry.kernel_state, cleared.error().message);
        status = exit_failed;
    }
    if (status == exit_ok) fmt::print("nothing of hairpin is left in the kernel\n");
    return status;
}

}  // namespace

Action clear_command(CLI::App& app) {
    app.footer(
        "Example:\n"
        "  hairpin clear\n\n"
        "A gateway that is stopped leaves nothing; one that is killed leaves the kernel forwarding, with engines that\n"
        "have it do so. This ends that, and puts back the sysctls that were set. A gateway that lives is left alone.");
    return run;
}

}  // namespace hairpin
