// The arguments of a command, for who tells of them.
#pragma once

#include <CLI/App.hpp>
#include <vector>

#include "cli/commands.h"

namespace hairpin {

inline bool takes_several(const CLI::Option& option) {
    return option.get_expected_max() >= CLI::detail::expected_max_vector_size;
}

struct Declared {
    CLI::App app;
    Action action;  // owns what the options write to
    explicit Declared(const Command& command) : action(command.declare(app)) {}

    std::vector<const CLI::Option*> options(bool positional) const {
        return app.get_options([&](const CLI::Option* option) {
            return option->get_positional() == positional && option != app.get_help_ptr();
        });
    }
};

}  // namespace hairpin
