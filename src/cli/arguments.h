// Arguments that are values of the model, as CLI11 options.
#pragma once

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <string>

#include "base/names.h"
#include "base/result.h"
#include "config/values.h"

namespace hairpin {

// CLI11 takes what is wrong with a value as an exception.
template <class T>
T accept(const std::string& argument, const Result<T>& value) {
    if (!value) throw CLI::ValidationError(argument, value.error().message);
    return *value;
}

// An option whose text `take` reads; `shown` is what stands for its value in the help.
template <class Take>
CLI::Option* add(CLI::App& app, const char* flags, const char* shown, const char* description, Take take) {
    return app.add_option_function<std::string>(flags, take, description)->option_text(shown);
}

}  // namespace hairpin
