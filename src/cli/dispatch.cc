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

void print_usage(std::span<const Command> commands, std::FILE* out) {
    fmt::print(out, "hairpin: whoever uses the external endpoint gets the service, wherever they stand\n\n");
    fmt::print(out, "Usage: hairpin COMMAND [ARGUMENTS]\n\nCommands:\n");
    for (const Command& command : commands) fmt::print(out, "  {:<9} {}\n", command.name, command.summary);
    fmt::print(out, "  {:<9} {}\n\n", help_name, help_summary);
    fmt::print(out, "`hairpin help COMMAND` shows its arguments and an example.\n");
}

const Command* find(std::span<const Command> commands, std::string_view name) {
    const auto command = std::ranges::find(commands, name, &Command::name);
    return command == commands.end() ? nullptr : &*command;
}

int unknown(std::span<const Command> commands, std::string_view name) {
    std::vector<std::string_view> names = {help_name};
    for (const Command& command : commands) names.push_back(command.name);
    const auto meant = nearest(name, names);
    const std::string advice = meant ? fmt::format("did you mean `hairpin {}`?", *meant) : "`hairpin help` lists them";
    fmt::print(stderr, "hairpin: there is no command {}: {}\n", in_quotes(name), advice);
    return exit_refused;
}

bool asks_for_help(std::string_view argument) {
    return argument == help_name || argument == "--help" || argument == "-h";
}

int help(std::span<const Command> commands, std::span<const std::string> arguments) {
    if (arguments.empty() || asks_for_help(arguments.front())) {
        print_usage(commands, stdout);
        return exit_ok;
    }
    const Command* command = find(commands, arguments.front());
    if (!command) return unknown(commands, arguments.front());
    const std::vector<std::string> ask = {"--help"};
    int status = exit_ok;
    understand(*command, ask, status);
    return status;
}

// For packages; the usage does not list them. Nothing: it is none of these.
std::optional<std::string> generated(std::span<const Command> commands, std::span<const std::string> arguments) {
    if (arguments.size() == 1 && arguments[0] == "man") return manual(commands);
    if (arguments.size() != 2 || arguments[0] != "completion") return std::nullopt;
    if (arguments[1] == "bash") return bash_completion(commands);
    if (arguments[1] == "zsh") return zsh_completion(commands);
    return std::nullopt;
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
    if (const auto text = generated(commands, arguments)) {
        fmt::print("{}", *text);
        return exit_ok;
    }
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
