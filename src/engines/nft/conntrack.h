// The kernel's connection tracking: which flows there are, and how they were translated.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "base/result.h"
#include "model/flow.h"

struct nfct_handle;

namespace hairpin::nft {

struct TrackedFlow {
    Leg client;               // as it arrived
    Leg backend;              // as it left; the same as `client` where nothing was translated
    bool translated = false;  // its destination
    // False: a TCP connection that has ended, remembered for what may still come. One whose reset crossed other data
    // may be true for minutes, for the kernel is not sure of it.
    bool alive = true;
    bool closed = false;  // beyond doubt
    bool answered = true;
    // Unknown unless the kernel is told to keep count: net.netfilter.nf_conntrack_acct, nf_conntrack_timestamp.
    std::optional<uint64_t> bytes_to_backend = {};  // of whole packets
    std::optional<uint64_t> bytes_to_client = {};
    std::optional<std::chrono::milliseconds> age = {};
};

enum class Flows { all, translated };
enum class Fate { keep, forget };

// Acts on the network namespace of its thread. One thread uses it.
class Conntrack {
public:
    // Shows the tracked TCP and UDP flows, and makes the kernel forget those that `judge` says. Needs CAP_NET_ADMIN. A
    // kernel before 5.15 may show others than the translated ones, too.
    Result<> review(Flows which, const std::function<Fate(const TrackedFlow&)>& judge);

private:
    struct Close {
        void operator()(nfct_handle* handle) const;
    };
    // Kept when once opened, for closing one takes the kernel some 10 ms: it first clears away what the last change of
    // its packet filter removed (nft_rcv_nl_event in nf_tables_api.c).
    std::unique_ptr<nfct_handle, Close> handle_;
};

// How many flows the kernel has dropped so far since another had the same tuple: for one, since no source port was free
// for them. Of the thread's network namespace.
Result<uint64_t> dropped_flows();

}  // namespace hairpin::nft
