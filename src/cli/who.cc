#include <fmt/core.h>

#include <CLI/App.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/api_client.h"
#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/flow_view.h"
#include "model/ip.h"

namespace hairpin {
namespace {

struct Options {
    ApiClient api;
    Endpoint source;
    std::optional<Endpoint> backend;  // port 0: any
    bool json = false;
};

int run(const Options& options) {
    ApiClient::Query query = {{"source", options.source.str()}};
    if (options.backend) query.emplace_back("backend", options.backend->str_open());
    const auto shown = options.api.ask("/v1/flows", query, [&](const nlohmann::json& answer) -> Result<int> {
        const auto& flows = answer.at("flows");
        std::string lines;
        for (const auto& flow : flows) lines += flow_line(flow) + "\n";
        fmt::print("{}", options.json ? answer.dump(2) + "\n" : lines);
        if (!flows.empty()) return exit_ok;
        fmt::print(stderr, "{}", unlisted_text(answer));
        return complain("who",
                        fmt::format("nobody: no flow that is {} shows {} to {}",
                                    unlisted_text(answer).empty() ? "remembered" : "listed", options.source.str(),
                                    options.backend ? options.backend->str_open() : "a backend"));
    });
    return shown ? *shown : complain("who", shown.error().message);
}

}  // namespace

Action who_command(CLI::App& app) {
    const auto options = std::make_shared<Options>();
    add(app, "SOURCE", " ", "the client's address and port as a backend sees them: ADDRESS:PORT",
        [options](const std::string& text) { options->source = accept("SOURCE", Endpoint::parse(text)); })
        ->required();
    add(app, "--at", "BACKEND", "which backend: ADDRESS or ADDRESS:PORT; default: any",
        [options](const std::string& text) { options->backend = accept("--at", Endpoint::parse_open(text)); });
    options->api.add_socket(app);
    app.add_flag("--json", options->json, "for programs");
    app.footer(
        "Example:\n"
        "  hairpin who 1.0.0.1:40312 --at 10.0.0.2:54321\n\n"
        "The same source may call several backends at once; each has a line. Exit status 1: nobody, or not any more.");
    return [options] { return run(*options); };
}

}  // namespace hairpin
