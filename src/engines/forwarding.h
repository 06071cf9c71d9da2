// Whether the kernel forwards packets at all.
#pragma once

#include <string>
#include <vector>

#include "engines/engine.h"

namespace hairpin {

struct Setting {
    std::string key;    // as sysctl(8) takes it
    std::string value;  // that it has
};

// The settings that keep the kernel from forwarding to backends; "1" opens them. An error where there is one and we may
// not set it, with what to do, or where they cannot be read. Acts on the network namespace of its thread.
Result<std::vector<Setting>> forwarding_off(const Desired& desired, bool may_set);

}  // namespace hairpin
