// The key `health`, and those below it.
#pragma once

#include <optional>

#include "config/reader.h"
#include "model/health_check.h"

namespace hairpin {

// The check that is written, as far as it could be read; nothing: none. What is wrong with it is the reader's to know.
std::optional<HealthCheck> parse_health(Reader& reader, const Key& key, yaml::Node value);

}  // namespace hairpin
