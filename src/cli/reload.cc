#include <fmt/core.h>

#include <CLI/App.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/api_client.h"
#include "cli/commands.h"
#include "cli/problems.h"

namespace hairpin {
namespace {

struct Options {
    ApiClient api;
    bool json = false;
};

constexpr long unprocessable = 422;

void print_refusal(const nlohmann::json& answer) {
    complain("reload", answer.at("error").get<std::string>());
    const auto errors = answer.find("errors");
    if (errors == answer.end()) return;
    for (const auto& error : *errors) fmt::print(stderr, "{}\n", error.get<std::string>());
}

Result<int> show(long status, const nlohmann::json& answer, bool json) {
    const bool refused = answer.contains("error");
    if (json) {
        fmt::print("{}\n", answer.dump(2));
    } else if (refused) {
        print_refusal(answer);
    } else {
        fmt::print("reloaded: {}\n", answer.at("serving").get<std::string>());
    }
    if (!refused) return exit_ok;
    return status == unprocessable ? exit_refused : exit_failed;
}

int run(const Options& options) {
    const auto outcome =
        options.api.post("/v1/reload", nlohmann::json::object(),
                         [&](long status, const nlohmann::json& answer) { return show(status, answer, options.json); });
    if (outcome && *outcome == exit_ok && !options.json) show_problems(options.api);
    return outcome ? *outcome : complain("reload", outcome.error().message);
}

}  // namespace

Action reload_command(CLI::App& app) {
    const auto options = std::make_shared<Options>();
    options->api.add_socket(app);
    app.add_flag("--json", options->json, "for programs");
    app.footer(
        "Example:\n"
        "  hairpin reload\n\n"
        "The running gateway reads its file again, as at SIGHUP, and uses it whole or not at all. Exit status 0: it "
        "is\n"
        "served, and what is wrong now is listed, as by `hairpin status`; 2: it is refused, every reason is listed,\n"
        "and nothing has changed; 1: it could not be asked for.");
    return [options] { return run(*options); };
}

}  // namespace hairpin
