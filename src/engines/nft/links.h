// The names of links, as far as they are said to the kernel's packet filter.
#pragma once

#include "base/result.h"
#include "model/topology.h"

namespace hairpin::nft {

// An error where there is a link that nft(8) cannot spell: the kernel takes any letter but spaces, '/' and ':'. Rules
// name some links only, but others as soon as services come and go.
Result<> check_links(const Topology& topology);

}  // namespace hairpin::nft
