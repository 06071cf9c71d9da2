// Quantities, as the log has them.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "model/ruleset.h"

namespace hairpin {

std::string count(uint64_t number, std::string_view noun);  // "1 connection", "2 connections"
std::string span(std::chrono::milliseconds time);           // "30 s" or, where that would lose something, "1500 ms"
std::string extent(const Ruleset& ruleset);                 // "2 services on 3 endpoints"

}  // namespace hairpin
