// How shells complete the command line, made from the table of subcommands.
#pragma once

#include <span>
#include <string>

#include "cli/commands.h"

namespace hairpin {

// Scripts that complete subcommands, their options, and the values that an option names.
std::string bash_completion(std::span<const Command> commands);
std::string zsh_completion(std::span<const Command> commands);

}  // namespace hairpin
