#include <fmt/format.h>

#include <CLI/App.hpp>
#include <memory>
#include <optional>

#include "cli/commands.h"
#include "cli/input.h"
#include "daemon/api_socket.h"
#include "daemon/daemon.h"

namespace hairpin {
namespace {

constexpr int most_threads = 1024;

struct Options {
    Input input;
    std::optional<int> threads;
    std::optional<std::string> socket;
    bool no_health = false;
};

int run(const Options& options) {
    const auto load = [&options] {
        Config config = options.input.load();
        if (options.threads) config.settings.threads = *options.threads;
        if (options.socket) config.settings.api.socket = options.socket;
        if (options.no_health) {
            for (Service& service : config.services) service.health = {};
        }
        return config;
    };
    return run_daemon({.load = load, .reloadable = options.input.rules.empty()});
}

}  // namespace

Action run_command(CLI::App& app) {
    const auto options = std::make_shared<Options>();
    options->input.add_file_or_rules(app);
    options->input.add_engine(app);
    app.add_option("--threads", options->threads, "of the proxy engine; 0: one per core")
        ->option_text("N")
        ->check(CLI::Range(0, most_threads));
    app.add_flag("--no-health", options->no_health, "checks no backend: all count as up");
    app.add_option_function<std::string>(
           "--socket", [options](const std::string& path) { options->socket = path == "none" ? "" : path; },
           "where `status`, `flows` and the other HTTP clients find it, in place of `api: {socket: PATH}`")
        ->option_text(fmt::format("PATH|none [{}]", default_api_socket()));
    app.footer(
        "Example:\n"
        "  hairpin run 1.0.0.1:5432=10.0.0.2:54321 1.0.0.1:1234=10.0.0.3:12345\n\n"
        "It logs \"ready\" once every endpoint is served. SIGTERM lets live connections finish, SIGHUP reads the\n"
        "configuration again, SIGUSR1 logs the counters of each service. SIGQUIT leaves an engine in the kernel\n"
        "serving, for the next `hairpin run` to take over.");
    return [options] { return run(*options); };
}

}  // namespace hairpin
