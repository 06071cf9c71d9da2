// How many flows may begin in a second: what the kernel's half has counted of it (kern/rates.h).
#pragma once

#include "engines/bpf/kernel.h"
#include "engines/bpf/service_slots.h"
#include "engines/limit_watch.h"

namespace hairpin::bpf {

// How many each rate of a service has kept out.
Result<LimitWatch::Refused> refused_by_rates(const Maps& maps, const Desired& desired, const ServiceSlots& slots);

}  // namespace hairpin::bpf
