// A gap of an engine, at the place in the configuration that it is about.
#pragma once

#include <string_view>

#include "config/config.h"
#include "engines/engine.h"

namespace hairpin {

Diagnostic locate(const Config& config, std::string_view engine, const Gap& gap);

}  // namespace hairpin
