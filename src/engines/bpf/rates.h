// How many flows may begin in a second: what the kernel's half has counted of it (kern/rates.h), and cleared away.
#pragma once

#include "engines/bpf/kernel.h"
#include "engines/bpf/service_slots.h"
#include "engines/limit_watch.h"

namespace hairpin::bpf {

// How many each rate of a service has kept out.
Result<LimitWatch::Refused> refused_by_rates(const Maps& maps, const Desired& desired, const ServiceSlots& slots);

// One thread.
class Buckets {
public:
    // Those of whole services are there from the start, so that clients leave them room. Where the table has none, an
    // error.
    static Result<> make(const Maps& maps, const Desired& desired, const ServiceSlots& slots);
    // Takes those of clients away that are full again, for one that is not there is full. To be called about once a
    // second. Costs nothing where no service has rates and none is left from before.
    void sweep(const Maps& maps, const Desired& desired);

private:
    bool some_left_ = true;
};

}  // namespace hairpin::bpf
