// The man page and the completion that are made of a table of subcommands.
#include <gtest/gtest.h>

#include <CLI/App.hpp>
#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cli/completion.h"
#include "cli/manual.h"
#include "support/golden.h"

namespace hairpin {
namespace {

struct Options {
    std::string file, colour, host;
    std::vector<std::string> rules;
    bool quiet = false;
};

Action paint(CLI::App& app) {
    const auto options = std::make_shared<Options>();
    app.add_option("FILE", options->file, "what to paint")->required();
    app.add_option("RULE", options->rules, "how, as `A=B`")->option_text("...");
    app.add_option("-c,--colour", options->colour, "with which")->option_text("red|green|RGB [red]");
    app.add_flag("--quiet", options->quiet, "no chatter");
    app.add_flag("--keep", options->host, "where to stay")->option_text("[=HOST]");
    app.footer("Example:\n  hairpin paint 'a\\b' --quiet\n\n.dots and 'quotes' begin lines,\n'as `these` do.");
    return [options] { return exit_ok; };
}

Action rest(CLI::App& app) {
    app.footer("Example:\n  hairpin rest");
    return [] { return exit_ok; };
}

constexpr std::array commands = {Command{"paint", "put colour on it", paint}, Command{"rest", "do nothing", rest}};

TEST(Manual, tells_of_every_command) {
    std::string page = manual(commands);
    page.replace(page.find(HAIRPIN_VERSION), std::string_view(HAIRPIN_VERSION).size(), "VERSION");
    expect_golden("manual/hairpin.1", page);
}

TEST(Completion, knows_commands_options_and_values) {
    expect_golden("manual/hairpin.bash", bash_completion(commands));
    expect_golden("manual/hairpin.zsh", zsh_completion(commands));
}

}  // namespace
}  // namespace hairpin
