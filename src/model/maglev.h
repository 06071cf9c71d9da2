// The lookup table of Maglev (Eisenbud et al., NSDI 2016): equal shares, and a backend that comes or goes moves few
// others.
#pragma once

#include <string_view>

#include "model/balance.h"

namespace hairpin {

// The slots that a backend would like to have, of `size`: offset, offset + skip, ... modulo size.
struct Preference {
    size_t offset = 0;
    size_t skip = 1;  // below `size`, which is a prime, so that every slot comes once
};
Preference preference(std::string_view name, size_t size);

// A table of `size` slots, a prime. Backends take turns, again and again, and at each the slot that they like best of
// those that are free. There is one turn at least, and no more turns than slots.
Slots maglev(std::span<const Preference> preferences, const Slots& turns, size_t size);

// How many slots so many turns need: a prime, 500 times as many where that is up to 65537, so that few others move.
// There are few sizes, for where the size changes, most clients do.
size_t maglev_size(size_t turns);

}  // namespace hairpin
