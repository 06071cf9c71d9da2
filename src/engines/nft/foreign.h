// Other people's rules, which are never touched, only understood as far as they stop our traffic.
#pragma once

#include <string>
#include <vector>

#include "engines/nft/netfilter.h"

namespace hairpin::nft {

// A forward chain of somebody else that drops what it does not know, translated flows among it.
struct ForeignDrop {
    std::string chain;   // "ip filter FORWARD"
    std::string remedy;  // the command that lets translated flows pass
};

// Where rules of others would drop what we forward, as far as chain policies tell: an accept of ours is final only in
// our own chain. A chain that already accepts translated flows is left out.
Result<std::vector<ForeignDrop>> foreign_drops(Netfilter& netfilter);

}  // namespace hairpin::nft
