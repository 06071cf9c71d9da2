// The chain that holds a service's new flows against its limits. Pure.
//
// Theory of operation. The kernel counts, in elements of sets: those of one number of live flows hold a list of them,
// which it compares with connection tracking whenever it is asked (`ct count`), those of a rate hold a bucket of tokens
// (`limit rate`). An element that counts nothing more goes by itself. It says which service, which limit and which
// number it is of, and of which client: so it outlives rules and daemons, and a changed number is counted from anew.
//
// Only the first packet of a flow comes this way. Of one that is refused, in the end, connection tracking knows
// nothing: it is no live flow.
#pragma once

#include <optional>

#include "engines/nft/table.h"
#include "model/service.h"

namespace hairpin::nft {

// So many clients are counted at once, of each family; those that come then meet no limit of their own.
inline constexpr int most_counted_clients = 196'607;

// Adds what it needs to the part. Nothing: the service has no limits. From the chain return those who meet none.
std::optional<Definition> limit(Part& part, const Service& service, Family family);

}  // namespace hairpin::nft
