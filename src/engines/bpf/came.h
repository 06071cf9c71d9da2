// What came to each backend: a row of the kernel's table for each that new flows are led to, and its name.
#pragma once

#include <functional>
#include <map>
#include <vector>

#include "engines/bpf/kernel.h"
#include "engines/engine.h"
#include "model/stats.h"

namespace hairpin::bpf {

// One thread.
class Came {
public:
    // The rows of a daemon before us. First.
    Result<> take_over(const Maps& maps);
    // There are rows for these backends from now on, and for no others; one that was there before goes on counting.
    // Where the table has no room, what comes is not counted here. `slot_of`: where a service is counted.
    void count(const Maps& maps, const Desired& desired, const std::function<uint32_t(const Service&)>& slot_of);

    // By the slot of the service.
    Result<std::map<uint32_t, std::vector<BackendStats>>> tell(const Maps& maps) const;

private:
    Table<hp_place, EndpointRange> places_;  // that have a row
};

}  // namespace hairpin::bpf
