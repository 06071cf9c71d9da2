// What around us keeps services from some clients, and what helps.
#pragma once

#include <string>
#include <vector>

#include "engines/engine.h"
#include "engines/nft/netfilter.h"

namespace hairpin::nft {

// One sentence each, with a command in it. Looks at the network namespace of its thread.
std::vector<std::string> hindrances(Netfilter& netfilter, const Desired& desired);

}  // namespace hairpin::nft
