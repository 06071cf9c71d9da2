// The table of subcommands; nothing else.
#include <array>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "cli/commands.h"

namespace {

constexpr std::array commands = {
    hairpin::Command{"run", "serve the services of a configuration", hairpin::run_command},
    hairpin::Command{"check", "find everything wrong with a configuration", hairpin::check_command},
    hairpin::Command{"explain", "say what happens to a flow, leg by leg", hairpin::explain_command},
    hairpin::Command{"status", "say how a running gateway is, and what is wrong", hairpin::status_command},
    hairpin::Command{"services", "list the services of a running gateway", hairpin::services_command},
    hairpin::Command{"top", "watch the traffic of a running gateway", hairpin::top_command},
    hairpin::Command{"backends", "list the backends of a running gateway, and which are up", hairpin::backends_command},
    hairpin::Command{"flows", "list the connections and sessions of a running gateway", hairpin::flows_command},
    hairpin::Command{"events", "list what has happened at a running gateway, or follow it", hairpin::events_command},
    hairpin::Command{"who", "say which client is behind a source address", hairpin::who_command},
    hairpin::Command{"drain", "lead no new flow to a backend", hairpin::drain_command},
    hairpin::Command{"undrain", "end that a backend drains", hairpin::undrain_command},
    hairpin::Command{"disable", "take a backend out, and end what lives there", hairpin::disable_command},
    hairpin::Command{"enable", "end that a backend is disabled", hairpin::enable_command},
    hairpin::Command{"reload", "have a running gateway read its configuration again", hairpin::reload_command},
    hairpin::Command{"upgrade", "have a running gateway start its program anew", hairpin::upgrade_command},
    hairpin::Command{"clear", "remove what a killed gateway left in the kernel", hairpin::clear_command},
    hairpin::Command{"lab", "prove a configuration in a network of namespaces", hairpin::lab_command},
    hairpin::Command{"schema", "print the JSON Schema of the configuration, or of the API", hairpin::schema_command},
    hairpin::Command{"version", "print the version", hairpin::version_command},
};

}  // namespace

int main(int argc, char** argv) {
    try {
        const int status = hairpin::dispatch(commands, std::vector<std::string>(argv + (argc > 0), argv + argc));
        if (std::fflush(stdout) == 0 && !std::ferror(stdout)) return status;
        std::perror("hairpin: the output could not be written");
        return hairpin::exit_failed;
    } catch (const std::exception& failure) {  // memory, or a library at its end
        std::fprintf(stderr, "hairpin: %s\n", failure.what());
        return hairpin::exit_failed;
    }
}
