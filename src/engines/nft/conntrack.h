// The kernel's connection tracking: which flows there are, and how they were translated.
#pragma once

#include <functional>

#include "base/result.h"
#include "model/flow.h"

namespace hairpin::nft {

struct TrackedFlow {
    Leg client;               // as it arrived
    Leg backend;              // as it left; the same as `client` where nothing was translated
    bool translated = false;  // its destination
    // False: a TCP connection that has ended, remembered for what may still come. One whose reset crossed other data
    // may be true for minutes, for the kernel is not sure of it.
    bool alive = true;
};

enum class Flows { all, translated };
enum class Fate { keep, forget };

// Shows the tracked TCP and UDP flows of the thread's network namespace, and makes the kernel forget those that `judge`
// says. Needs CAP_NET_ADMIN. A kernel before 5.15 may show others than the translated ones, too.
Result<> review_flows(Flows which, const std::function<Fate(const TrackedFlow&)>& judge);

}  // namespace hairpin::nft
