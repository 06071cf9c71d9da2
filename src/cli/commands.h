// The subcommands of hairpin, each in the file of its name, and how one of them is found and carried out.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace CLI {
class App;
}

namespace hairpin {

// Exit statuses of every subcommand.
inline constexpr int exit_ok = 0;
inline constexpr int exit_failed = 1;
inline constexpr int exit_refused = 2;  // bad usage or configuration

// What is left to do once the arguments are understood; its value is the exit status.
using Action = std::function<int()>;

struct Command {
    std::string_view name;
    std::string_view summary;
    Action (*declare)(CLI::App& app);  // adds its arguments, which the action owns; does nothing else
};

Action run_command(CLI::App& app);
Action check_command(CLI::App& app);
Action explain_command(CLI::App& app);
Action status_command(CLI::App& app);
Action services_command(CLI::App& app);
Action top_command(CLI::App& app);
Action backends_command(CLI::App& app);
Action flows_command(CLI::App& app);
Action events_command(CLI::App& app);
Action who_command(CLI::App& app);
Action drain_command(CLI::App& app);
Action undrain_command(CLI::App& app);
Action disable_command(CLI::App& app);
Action enable_command(CLI::App& app);
Action reload_command(CLI::App& app);
Action clear_command(CLI::App& app);
Action upgrade_command(CLI::App& app);
Action lab_command(CLI::App& app);
Action schema_command(CLI::App& app);
Action version_command(CLI::App& app);

// Carries out the command that the arguments (without the program's name) ask for; `help` is built in, and
// so are `man`, `completion bash` and `completion zsh`.
int dispatch(std::span<const Command> commands, std::span<const std::string> arguments);

// The arguments of one command, understood but not carried out; none if they only asked for help or are wrong, which
// has been printed: then `status` is the exit status.
Action understand(const Command& command, std::span<const std::string> arguments, int& status);

// Says on stderr what is wrong, as "hairpin COMMAND: MESSAGE"; the exit status.
int complain(std::string_view command, std::string_view message, int status = exit_failed);

}  // namespace hairpin
