// What a command prints.
#pragma once

#include <string>

namespace hairpin::bench {

// The standard output of `command`, as sh(1) runs it; empty where it could not be run.
std::string printed_by(const std::string& command);

}  // namespace hairpin::bench
