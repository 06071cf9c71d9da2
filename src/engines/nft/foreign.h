// Other people's rules, which are never touched, only understood as far as they stop our traffic.
#pragma once

#include <compare>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engines/nft/netfilter.h"
#include "model/ip.h"

namespace hairpin::nft {

// Where translated packets pass the chains of others: "forward" on the way to a backend elsewhere, "input" to one on
// the gateway.
struct Crossing {
    std::string_view hook;
    Family family = Family::v4;

    auto operator<=>(const Crossing&) const = default;
};

// A chain of somebody else that drops what it does not know, translated flows among it.
struct ForeignDrop {
    std::string chain;   // "ip filter FORWARD"
    std::string remedy;  // the command that lets translated flows pass
};

// Where rules of others would drop what crosses them, as far as a chain's policy and its last rule tell: an accept of
// ours is final only in our own chain. A chain that already accepts translated flows is left out.
Result<std::vector<ForeignDrop>> foreign_drops(Netfilter& netfilter, const std::set<Crossing>& crossings);

}  // namespace hairpin::nft
