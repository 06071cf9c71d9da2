// drain, undrain, disable, enable: an operator takes backends out of service, or brings them back.
#include <fmt/core.h>

#include <CLI/App.hpp>
#include <algorithm>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "cli/api_client.h"
#include "cli/backend_view.h"
#include "cli/commands.h"
#include "cli/problems.h"
#include "config/values.h"

namespace hairpin {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds look_interval{200};

struct Options {
    ApiClient api;
    std::string order;
    std::string backend;
    std::string service;  // empty: all
    bool json = false;
    std::string wait;  // as written: how long at most until no flow lives there; empty: not at all
};

constexpr milliseconds longest_wait = std::chrono::hours(24);

bool is_mistake(long status) { return status >= 400 && status < 500; }

// The backends among `all` that `meant` names, as they are now.
json these(const json& meant, const json& all) {
    json now = json::array();
    for (const json& backend : all) {
        const bool found = std::ranges::any_of(meant, [&](const json& one) {
            return one.at("service") == backend.at("service") && one.at("backend") == backend.at("backend");
        });
        if (found) now.push_back(backend);
    }
    return now;
}

uint64_t alive(const json& backends) {
    uint64_t sum = 0;
    for (const json& backend : backends) sum += backend.at("active").get<uint64_t>();
    return sum;
}

// Looks again until no flow lives at these backends or the time is over; they are shown as they were last.
Result<int> wait_until_empty(const Options& options, milliseconds wait, json& backends) {
    const auto deadline = steady_clock::now() + wait;
    while (alive(backends) > 0) {
        if (steady_clock::now() >= deadline) return exit_failed;
        std::this_thread::sleep_for(look_interval);
        auto looked = options.api.ask("/v1/backends", {}, [&](const json& answer) -> Result<int> {
            backends = these(backends, answer.at("backends"));
            return exit_ok;
        });
        if (!looked) return looked;
    }
    return exit_ok;
}

Result<int> show(const Options& options, std::optional<milliseconds> wait, json backends) {
    Result<int> outcome = exit_ok;
    if (wait) outcome = wait_until_empty(options, *wait, backends);
    if (!outcome) return outcome;
    fmt::print("{}", options.json ? json({{"backends", backends}}).dump(2) + "\n" : backend_table(backends));
    if (*outcome == exit_ok) return outcome;
    return complain(options.order, fmt::format("{} still live there, and the time is over", alive(backends)),
                    exit_failed);
}

// Nothing: it is not to wait. "true" is what CLI11 makes of --wait alone.
Result<std::optional<milliseconds>> wait_of(const std::string& text) {
    if (text.empty()) return std::optional<milliseconds>();
    if (text == "true") return std::optional(longest_wait);
    const auto wait = parse_duration(text, milliseconds(0), longest_wait);
    return wait ? Result<std::optional<milliseconds>>(*wait) : wait.error().within("--wait");
}

int run(const Options& options) {
    const auto wait = wait_of(options.wait);
    if (!wait) return complain(options.order, wait.error().message, exit_refused);
    json target = {{"backend", options.backend}};
    if (!options.service.empty()) target["service"] = options.service;
    const auto done =
        options.api.post("/v1/backends/" + options.order, target, [&](long status, const json& answer) -> Result<int> {
            if (!answer.contains("error")) return show(options, *wait, answer.at("backends"));
            return complain(options.order, answer.at("error").get<std::string>(),
                            is_mistake(status) ? exit_refused : exit_failed);
        });
    if (done && *done == exit_ok && !options.json) show_problems(options.api, "service");
    return done ? *done : complain(options.order, done.error().message);
}

std::shared_ptr<Options> declare(CLI::App& app, const std::string& order) {
    auto options = std::make_shared<Options>();
    options->order = order;
    app.add_option("BACKEND", options->backend,
                   "ADDRESS:PORT as `hairpin backends` shows it, or ADDRESS for all its ports")
        ->option_text(" ")
        ->required();
    app.add_option("--service", options->service, "in this service only; default: in all")->option_text("SERVICE");
    options->api.add_socket(app);
    app.add_flag("--json", options->json, "for programs");
    return options;
}

Action action_of(std::shared_ptr<Options> options) {
    return [options = std::move(options)] { return run(*options); };
}

constexpr std::string_view kept = "Reloads, upgrades and restarts keep this for as long as the backend is configured.";

}  // namespace

Action drain_command(CLI::App& app) {
    auto options = declare(app, "drain");
    app.add_flag("--wait", options->wait, "return once no flow lives there, or when the time is over, by default 24h")
        ->option_text("[=DURATION]");
    app.footer(fmt::format(
        "Example:\n"
        "  hairpin drain 10.0.0.2 --wait=5m\n\n"
        "The backend gets no new connection; those that live go on, and it goes on being checked. UDP clients are led\n"
        "to others at once. `hairpin undrain` ends that.\n{}\n\n"
        "Exit status 1: with --wait, flows were still alive when the time was over; 2: there is no such backend.",
        kept));
    return action_of(std::move(options));
}

Action undrain_command(CLI::App& app) {
    auto options = declare(app, "undrain");
    app.footer(
        "Example:\n"
        "  hairpin undrain 10.0.0.2:80 --service web\n\n"
        "Ends what `hairpin drain` began, and leaves alone what is disabled.");
    return action_of(std::move(options));
}

Action disable_command(CLI::App& app) {
    auto options = declare(app, "disable");
    app.footer(fmt::format(
        "Example:\n"
        "  hairpin disable 10.0.0.2:80\n\n"
        "The backend gets no new connection, those that live are reset (after the service's drain_timeout, where it "
        "has\none), and nobody checks it. UDP clients are led to others at once. `hairpin enable` ends that.\n{}",
        kept));
    return action_of(std::move(options));
}

Action enable_command(CLI::App& app) {
    auto options = declare(app, "enable");
    app.footer(
        "Example:\n"
        "  hairpin enable 10.0.0.2:80\n\n"
        "Ends what `hairpin disable` began, and leaves alone what drains. A checked backend is up until its first "
        "check.");
    return action_of(std::move(options));
}

}  // namespace hairpin
