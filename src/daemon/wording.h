// Quantities and reasons, as the log has them.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/ruleset.h"

namespace hairpin {

std::string count(uint64_t number, std::string_view noun);  // "1 connection", "2 connections"
std::string span(std::chrono::milliseconds time);           // "30 s" or, where that would lose something, "1500 ms"
std::string extent(const Ruleset& ruleset);                 // "2 services on 3 endpoints"

// "the first one (and 2 more)". Precondition: there is one.
std::string in_short(const std::vector<std::string>& reasons);

}  // namespace hairpin
