// The tables that the kernel's half looks things up in: read from its maps, and changed there.
#pragma once

#include "engines/bpf/kernel.h"

namespace hairpin::bpf {

// Those that outlived the daemon that filled them.
Result<Tables> read_tables(const Maps& maps);

// One that nothing in the tables has, nor any above it.
uint32_t first_free_number(const Tables& tables);

// Makes the maps hold `now` instead of `before`: what is new first, then endpoints, and what is old last. A packet sees
// an endpoint as it was or as it is. After an error some of it is done; settle(maps, now, before) takes that back.
Result<> settle(const Maps& maps, const Tables& before, const Tables& now);

}  // namespace hairpin::bpf
