// What is wired to a bridge of this machine.
#pragma once

#include <string>
#include <vector>

namespace hairpin {

// The names of those ports of a bridge through which no frame leaves that has come from there: all whose hairpin mode
// is off, as it is by default. `bridge`: Link::index; of another link, and where nothing can be read, there are none.
// Acts on the network namespace of its thread.
std::vector<std::string> one_way_ports(int bridge);

}  // namespace hairpin
