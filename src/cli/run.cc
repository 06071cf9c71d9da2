#include <fmt/format.h>

#include <CLI/App.hpp>
#include <algorithm>
#include <memory>
#include <optional>

#include "cli/commands.h"
#include "cli/input.h"
#include "daemon/api_socket.h"
#include "daemon/daemon.h"
#include "model/follow_names.h"

namespace hairpin {
namespace {

constexpr int most_threads = 1024;

struct Options {
    Input input;
    std::optional<int> threads;
    std::optional<std::string> socket;
    bool no_health = false;
    Answers resolved;
};

// "app.lan=10.0.0.2,10.0.0.3"; with ports they are the servers of an SRV record.
std::string read_answer(const std::string& text, Answers& answers) {
    const size_t equals = std::min(text.find('='), text.size());
    for (size_t at = equals; at < text.size();) {
        const size_t end = std::min(text.find(',', at + 1), text.size());
        const auto server = Endpoint::parse_open(text.substr(at + 1, end - at - 1));
        if (!server) return server.error().message;
        const std::string name = text.substr(0, equals);
        answers[{name, server->port != 0}].push_back({.host = name, .ip = server->ip, .port = server->port});
        at = end;
    }
    return equals < text.size() ? "" : "'" + text + "' lacks '=': write NAME=ADDRESS, as in app.lan=10.0.0.2";
}

int run(const Options& options) {
    const auto load = [&options] {
        Config config = options.input.load();
        if (options.threads) config.settings.threads = *options.threads;
        if (options.socket) config.settings.api.socket = options.socket;
        config.services = write_out(std::move(config.services), options.resolved);
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
    app.add_option_function<std::vector<std::string>>(
           "--resolve",
           [options](const std::vector<std::string>& texts) {
               for (const std::string& text : texts) {
                   const std::string wrong = read_answer(text, options->resolved);
                   if (!wrong.empty()) throw CLI::ValidationError("--resolve", wrong);
               }
           },
           "what the name of a backend stands for, in place of asking DNS; with ports, of SRV records")
        ->option_text("NAME=ADDRESS[,...]")
        ->allow_extra_args(false);
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
