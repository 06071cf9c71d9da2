// The man page, made from the table of subcommands.
#pragma once

#include <span>
#include <string>

#include "cli/commands.h"

namespace hairpin {

// hairpin(1), in the language of man(7).
std::string manual(std::span<const Command> commands);

}  // namespace hairpin
