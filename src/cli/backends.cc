#include <fmt/core.h>

#include <CLI/App.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/api_client.h"
#include "cli/backend_view.h"
#include "cli/commands.h"

namespace hairpin {
namespace {

struct Options {
    ApiClient api;
    bool json = false;
};

int run(const Options& options) {
    const auto answer = options.api.get("/v1/backends");
    if (!answer) {
        fmt::print(stderr, "hairpin backends: {}\n", answer.error().message);
        return exit_failed;
    }
    if (options.json) {
        fmt::print("{}\n", answer->dump(2));
    } else {
        fmt::print("{}", backend_table(answer->at("backends")));
    }
    return exit_ok;
}

}  // namespace

Action backends_command(CLI::App& app) {
    const auto options = std::make_shared<Options>();
    options->api.add_socket(app);
    app.add_flag("--json", options->json, "for programs");
    app.footer(
        "Example:\n"
        "  hairpin backends\n\n"
        "`serving` says whether new connections and sessions go there: where no backend is up, that may be all or "
        "none\n"
        "(see `when_none` in docs/config.md).");
    return [options] { return run(*options); };
}

}  // namespace hairpin
