// Measures of how hairpin scales with the number of services.
#pragma once

#include <vector>

#include "measures.h"

namespace hairpin::bench {

std::vector<Measure> scale_measures();

}  // namespace hairpin::bench
