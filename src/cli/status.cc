#include <fmt/core.h>

#include <CLI/App.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/api_client.h"
#include "cli/commands.h"
#include "cli/status_view.h"

namespace hairpin {
namespace {

struct Options {
    ApiClient api;
    bool json = false;
};

Result<int> ask(const Options& options) {
    return options.api.ask("/v1/status", {}, [&](const nlohmann::json& status) -> Result<int> {
        const int outcome = status.at("problems").empty() ? exit_ok : exit_failed;
        if (options.json) {
            fmt::print("{}\n", status.dump(2));
            return outcome;
        }
        const auto shown = options.api.ask("/v1/services", {}, [&](const nlohmann::json& services) -> Result<int> {
            fmt::print("{}", status_page(status, services));
            return outcome;
        });
        return shown ? *shown : complain("status", shown.error().message);
    });
}

int run(const Options& options) {
    const auto outcome = ask(options);
    return outcome ? *outcome : complain("status", outcome.error().message, exit_refused);
}

}  // namespace

Action status_command(CLI::App& app) {
    const auto options = std::make_shared<Options>();
    options->api.add_socket(app);
    app.add_flag("--json", options->json, "for programs");
    app.footer(
        "Example:\n"
        "  hairpin status\n\n"
        "Exit status 0: all is well; 1: something is wrong, and listed: a backend is down or no route leads there, an\n"
        "endpoint cannot be served as the network is now or is led to nobody, checks cannot come as clients do, "
        "another\n"
        "engine is in force as well, the last reload was refused or needs a restart, the gateway is being stopped;\n"
        "2: no gateway answers.");
    return [options] { return run(*options); };
}

}  // namespace hairpin
