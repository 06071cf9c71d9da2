// The micro-benchmarks of benchmarks/micro.cc, run as a program of their own.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace hairpin::bench {

// CPU time of each in seconds, the median of its repetitions.
Result<std::vector<std::pair<std::string, double>>> measure_functions(int repetitions);

}  // namespace hairpin::bench
