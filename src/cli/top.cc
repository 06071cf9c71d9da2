#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <CLI/App.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "cli/api_client.h"
#include "cli/commands.h"
#include "cli/interruption.h"
#include "cli/top_view.h"

namespace hairpin {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::milliseconds look_interval{1000};

struct Options {
    ApiClient api;
    bool json = false;
};

// The terminal's other screen, for as long as this object lives.
class Screen {
public:
    Screen() { show("\x1b[?1049h\x1b[?25l"); }
    ~Screen() { show("\x1b[?25h\x1b[?1049l"); }
    Screen(const Screen&) = delete;
    Screen& operator=(const Screen&) = delete;

    // Replaces what is there by as many of the lines as there is room for.
    void draw(const std::string& text) const {
        winsize size{};
        const bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0;
        size_t end = 0;
        for (unsigned line = 0; end < text.size() && (!known || line + 1U < size.ws_row); ++line) {
            end = text.find('\n', end) + 1;
        }
        std::string page = text.substr(0, end);
        for (size_t at = 0; (at = page.find('\n', at)) != page.npos; at += 4) page.insert(at, "\x1b[K");
        show("\x1b[H" + page + "\x1b[J");
    }

private:
    static void show(const std::string& text) {
        fmt::print("{}", text);
        std::fflush(stdout);
    }
};

// Two looks, a second apart, then one more look a second; for a program, or without a terminal, only those two.
Result<int> watch(const ApiClient& api, bool json) {
    const Interruption interruption;
    const std::string path = "/v1/services";
    auto before = api.get(path);
    if (!before) return before.error();
    auto seen_at = steady_clock::now();
    std::optional<Screen> screen;
    if (!json && isatty(STDOUT_FILENO)) screen.emplace();
    while (!interruption.comes(look_interval)) {
        auto shown = api.ask(path, {}, [&](const nlohmann::json& now) -> Result<int> {
            const auto before_that = std::exchange(seen_at, steady_clock::now());
            const auto apart = seen_at - before_that;
            if (screen) {
                screen->draw(top_table(*before, now, apart));
            } else if (json) {
                fmt::print("{}\n", top_json(*before, now, apart).dump());
            } else {
                fmt::print("{}", top_table(*before, now, apart));
            }
            before = now;
            return exit_ok;
        });
        if (!shown || !screen) return shown;
    }
    return exit_ok;
}

int run(const Options& options) {
    const auto outcome = watch(options.api, options.json);
    return outcome ? *outcome : complain("top", outcome.error().message);
}

}  // namespace

Action top_command(CLI::App& app) {
    const auto options = std::make_shared<Options>();
    options->api.add_socket(app);
    app.add_flag("--json", options->json, "for programs: one object with the rates of a second");
    app.footer(
        "Example:\n"
        "  hairpin top\n\n"
        "The busiest service stands first. Ctrl-C ends it. Into a pipe or a file it writes one table, of one second.");
    return [options] { return run(*options); };
}

}  // namespace hairpin
