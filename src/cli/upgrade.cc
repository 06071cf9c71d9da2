#include <fmt/core.h>

#include <CLI/App.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/api_client.h"
#include "cli/commands.h"

namespace hairpin {
namespace {

Result<int> show(const nlohmann::json& answer) {
    const auto error = answer.find("error");
    if (error != answer.end()) return Error{error->get<std::string>()};
    fmt::print("process {} serves now\n", answer.at("pid").get<int64_t>());
    return exit_ok;
}

int run(const ApiClient& api) {
    const auto outcome = api.post("/v1/upgrade", nlohmann::json::object(),
                                  [](long, const nlohmann::json& answer) { return show(answer); });
    return outcome ? *outcome : complain("upgrade", outcome.error().message);
}

}  // namespace

Action upgrade_command(CLI::App& app) {
    const auto api = std::make_shared<ApiClient>();
    api->add_socket(app);
    app.footer(
        "Example:\n"
        "  apt-get install hairpin && hairpin upgrade\n\n"
        "The gateway starts the file that it was started from, with the same arguments, and hands its sockets over.\n"
        "What connects meanwhile is served; what lives goes on, with the proxy engine in the old process, which ends\n"
        "with its last connection. Exit status 0: the new one serves; 1: it does not, and the old one serves on.");
    return [api] { return run(*api); };
}

}  // namespace hairpin
