// The kernel's connection tracking: which flows there are, and how they were translated.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>

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
    // Unknown unless the kernel is told to keep count: net.netfilter.nf_conntrack_acct, nf_conntrack_timestamp.
    std::optional<uint64_t> bytes_to_backend = {};  // of whole packets
    std::optional<uint64_t> bytes_to_client = {};
    std::optional<std::chrono::milliseconds> age = {};
};

enum class Fate { keep, forget };

// Shows every tracked TCP and UDP flow of the thread's network namespace, and makes the kernel forget those that
// `judge` says. Needs CAP_NET_ADMIN.
Result<> review_flows(const std::function<Fate(const TrackedFlow&)>& judge);

// How many flows the kernel has dropped so far since another had the same tuple: for one, since no source port was free
// for them. Of the thread's network namespace.
Result<uint64_t> dropped_flows();

}  // namespace hairpin::nft
