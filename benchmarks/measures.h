// What is measured, and how.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "arena.h"
#include "results.h"

namespace hairpin::bench {

struct Measure {
    std::string name;   // "rr-16"
    std::string title;  // in words
    std::vector<Path> paths;
    std::function<bool(Contestant)> takes_part;
    // One round. An error is why the contestant cannot be measured here.
    std::function<Result<Sample>(const Arena& arena, Path path)> run;
    std::vector<Path> quick = {};  // those that are part of `--quick`
    int rounds = 0;                // 0: as many as are wanted for all; in haste fewer
};

// In the order in which they run: what leaves something behind in the kernel comes last.
std::vector<Measure> all_measures();

}  // namespace hairpin::bench
