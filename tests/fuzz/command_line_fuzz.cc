// Any command line is understood or refused with a message and status 2; nothing is carried out. Arguments are
// separated by NUL, as in /proc/PID/cmdline; the first one is the subcommand.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cli/commands.h"
#include "config/config.h"

using namespace hairpin;

namespace {

constexpr Command commands[] = {
    {"run", "", run_command},     {"check", "", check_command},   {"explain", "", explain_command},
    {"lab", "", lab_command},     {"schema", "", schema_command}, {"version", "", version_command},
    {"flows", "", flows_command}, {"who", "", who_command},       {"clear", "", clear_command},
};

// What the parsers print would bury what the fuzzer has to say.
std::FILE* silence() {
    std::FILE* null = std::fopen("/dev/null", "w");
    if (!null) std::abort();
    return null;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static std::FILE* const null = silence();
    std::vector<std::string> arguments(1);
    for (std::size_t i = 0; i < size; ++i) {
        if (data[i] == 0) {
            arguments.emplace_back();
        } else {
            arguments.back().push_back(static_cast<char>(data[i]));
        }
    }

    std::FILE* const out = std::exchange(stdout, null);
    std::FILE* const err = std::exchange(stderr, null);
    bool lawful = true;
    for (const Command& command : commands) {
        if (command.name != arguments.front()) continue;
        int status = -1;
        const Action action = understand(command, std::span(arguments).subspan(1), status);
        lawful = action ? status == exit_ok : status == exit_ok || status == exit_refused;
    }
    stdout = out;
    stderr = err;

    const Config config = parse_rules(std::span(arguments).subspan(1));
    lawful = lawful && (config.errors.empty() || config.services.empty());
    if (!lawful) std::abort();
    return 0;
}
