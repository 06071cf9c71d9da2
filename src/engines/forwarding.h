// Whether the kernel forwards packets at all.
#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engines/engine.h"

namespace hairpin {

struct Setting {
    std::string key;    // as sysctl(8) takes it
    std::string value;  // that it has
};

// One that keeps the kernel from forwarding to backends; "1" opens it.
struct Closed {
    Setting setting;
    Ip backend;  // one of those
};

// All of them. An error where they cannot be read. Acts on the network namespace of its thread.
Result<std::vector<Closed>> closed_settings(const Desired& desired);

// The same at a start or a change: those that are to be set. An error, with what to do, also where there is one and we
// may not set it; but what is served so far (null: nothing) and lacks it as well, may change.
Result<std::vector<Setting>> forwarding_off(const Desired& desired, bool may_set, const Desired* served = nullptr);

// By name and family: those by which packets to backends and from them come, as far as addresses and routes tell. Each
// may have forwarding off for itself. Pure.
std::set<std::pair<std::string, Family>> links_needed(const Desired& desired);

}  // namespace hairpin
