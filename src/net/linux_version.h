// Which kernel this is. Any thread.
#pragma once

#include <utility>

namespace hairpin {

std::pair<int, int> linux_version();  // {6, 1}; {0, 0}: it cannot be told

}  // namespace hairpin
