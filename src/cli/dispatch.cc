#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/completion.h"
#include "cli/manual.h"
#include "config/values.h"

namespace hairpin {
namespace {

constexpr std::string_view help_name = "help";
constexpr std::string_view help_summary = "say how a command is used";
constexpr std::string_view completion_name = "completion";
constexpr std::string_view completion_summary = "print how bash or zsh completes the command line";
constexpr std::string_view manual_name = "man";
constexpr std::string_view manual_summary = "print the man page";

void print_usage(std::span<const Command> commands, std::FILE* out) {
    fmt::print(out, "hairpin: whoever uses the external endpoint gets the service, wherever they stand\n\n");
    fmt::print(out, "Usage: hairpin COMMAND [ARGUMENTS]\n\nCommands:\n");
    const auto print = [out](std::string_view name, std::string_view summary) {
        fmt::print(out, "  {:<11} {}\n", name, summary);
    };
    for (const Command& command : commands) print(command.name, command.summary);
    print(completion_name, completion_summary);
    print(manual_name, manual_summary);
    print(help_name, help_summary);
    fmt::print(out, "\n");
    fmt::print(out, "`hairpin help COMMAND` shows its arguments and an example.\n");
}

const Command* find(std::span<const Command> commands, std::string_view name) {
    const auto command = std::ranges::find(commands, name, &Command::name);
    return command == commands.end() ? nullptr : &*command;
}

int unknown(std::span<const Command> commands, std::string_view name) {
    std::vector<std::string_view> names = {help_name, completion_name, manual_name};
    for (const Command& command : commands) names.push_back(command.name);
    const auto meant = nearest(name, names);
    const std::string advice = meant ? fmt::format("did you mean `hairpin {}`?", *meant) : "`hairpin help` lists them";
    fmt::print(stderr, "hairpin: there is no command {}: {}\n", in_quotes(name), advice);
    return exit_refused;
}

bool asks_for_help(std::string_view argument) {
    return argument == help_name || argument == "--help" || argument == "-h";
}

// Of what is made from the table of subcommands; nothing: it is another one.
std::optional<std::string> generated_usage(std::string_view name) {
    if (name == completion_name) {
        return fmt::format("{}\nUsage: hairpin {} bash|zsh\n\nExample:\n  source <(hairpin {} bash)\n",
                           completion_summary, completion_name, completion_name);
    }
    if (name == manual_name) {
        return fmt::format("{}\nUsage: hairpin {}\n\nExample:\n  hairpin {} | man -l -\n", manual_summary, manual_name,
                           manual_name);
    }
    return std::nullopt;
}

int help(std::span<const Command> commands, std::span<const std::string> arguments) {
    if (arguments.empty() || asks_for_help(arguments.front())) {
        print_usage(commands, stdout);
        return exit_ok;
    }
    if (const auto usage = generated_usage(arguments.front())) {
        fmt::print("{}", *usage);
        return exit_ok;
    }
    const Command* command = find(commands, arguments.front());
    if (!command) return unknown(commands, arguments.front());
    const std::vector<std::string> ask = {"--help"};
    int status = exit_ok;
    understand(*command, ask, status);
    return status;
}

// Prints what is made from the table of subcommands, for packages and for who has none. Nothing: it is another
// command.
std::optional<int> generate(std::span<const Command> commands, std::span<const std::string> arguments) {
    const auto usage = generated_usage(arguments[0]);
    if (!usage) return std::nullopt;
    const std::string_view argument = arguments.size() == 2 ? std::string_view(arguments[1]) : "";
    std::string text;
    if (asks_for_help(argument)) {
        text = *usage;
    } else if (arguments[0] == manual_name && arguments.size() == 1) {
        text = manual(commands);
    } else if (arguments[0] == completion_name && argument == "bash") {
        text = bash_completion(commands);
    } else if (arguments[0] == completion_name && argument == "zsh") {
        text = zsh_completion(commands);
    } else {
        const std::string_view takes = arguments[0] == completion_name ? "bash or zsh" : "nothing";
        return complain(arguments[0], fmt::format("it takes {}", takes), exit_refused);
    }
    fmt::print("{}", text);
    return exit_ok;
}

// The library lists the options that one excludes by where they are in memory, which differs from run to run: by their
// names instead. It writes them last.
class Help : public CLI::Formatter {
public:
    std::string make_option_opts(const CLI::Option* option) const override {
        constexpr std::string_view mark = " Excludes:";
        std::string text = Formatter::make_option_opts(option);
        const size_t at = text.find(mark);
        if (at == text.npos) return text;
        std::set<std::string> names;
        for (const CLI::Option* other : option->get_excludes()) names.insert(other->get_name());
        return fmt::format("{}{} {}", text.substr(0, at), mark, fmt::join(names, " "));
    }
};

}  // namespace

Action understand(const Command& command, std::span<const std::string> arguments, int& status) {
    CLI::App app{std::string(command.summary), "hairpin " + std::string(command.name)};
    const auto formatter = std::make_shared<Help>();
    formatter->column_width(26);
    app.formatter(formatter);
    Action action = command.declare(app);
    status = exit_ok;
    try {
        std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());  // as parse() wants them
        app.parse(std::move(reversed));
        return action;
    } catch (const CLI::Success&) {
        fmt::print("{}\n", app.help());
    } catch (const CLI::Error& error) {
        fmt::print(stderr, "{}: {}\n`{} --help` shows what it takes.\n", app.get_name(), error.what(), app.get_name());
        status = exit_refused;
    }
    return {};
}

int dispatch(std::span<const Command> commands, std::span<const std::string> arguments) {
    if (arguments.empty()) {
        print_usage(commands, stderr);
        return exit_refused;
    }
    const std::string& name = arguments.front();
    if (asks_for_help(name)) return help(commands, arguments.subspan(1));
    if (const auto status = generate(commands, arguments)) return *status;
    const Command* command = find(commands, name == "--version" ? "version" : name);
    if (!command) return unknown(commands, name);
    int status = exit_ok;
    const Action action = understand(*command, arguments.subspan(1), status);
    return action ? action() : status;
}

int complain(std::string_view command, std::string_view message, int status) {
    fmt::print(stderr, "hairpin {}: {}\n", command, message);
    return status;
}

}  // namespace hairpin
