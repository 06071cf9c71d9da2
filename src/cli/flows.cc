#include <fmt/core.h>

#include <CLI/App.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/api_client.h"
#include "cli/commands.h"
#include "cli/flow_view.h"

namespace hairpin {
namespace {

struct Options {
    ApiClient api;
    bool json = false;
};

int run(const Options& options) {
    const auto answer = options.api.get("/v1/flows");
    if (!answer) {
        fmt::print(stderr, "hairpin flows: {}\n", answer.error().message);
        return exit_failed;
    }
    if (options.json) {
        fmt::print("{}\n", answer->dump(2));
    } else {
        fmt::print("{}", flow_table(answer->at("flows")));
    }
    return exit_ok;
}

}  // namespace

Action flows_command(CLI::App& app) {
    const auto options = std::make_shared<Options>();
    options->api.add_socket(app);
    app.add_flag("--json", options->json, "for programs; with those that have ended and are still remembered");
    app.footer(
        "Example:\n"
        "  hairpin flows\n\n"
        "`seen as` is what the backend takes for its client: `hairpin who` goes from there back to the client.");
    return [options] { return run(*options); };
}

}  // namespace hairpin
