// Cuts loops at run time: recognises a client that is one of our own connections to a backend.
//
// validate() refuses the loops that a configuration shows. What is left are those that appear later: a service on all
// addresses, and a backend with the same port whose address the gateway gains. Only connections to what some service
// listens on, if the address were ours, are remembered, under a lock; all others pay one look-up. Loops that another
// host or the kernel's NAT closes are not seen.
#pragma once

#include <atomic>
#include <mutex>
#include <unordered_set>

#include "model/flow.h"
#include "model/ruleset.h"

namespace hairpin::proxy {

// Whether what is sent there comes back to us if the address is the gateway's own.
bool may_lead_to_us(const Ruleset& ruleset, Protocol protocol, const Endpoint& destination);

// Any thread.
class LoopGuard {
public:
    // A connection of ours that may lead to us. Where the client is accepted by another thread before it is remembered,
    // a loop goes one round further.
    void remember(const Leg& ours);
    void forget(const Leg& ours);

    // Whether this client is such a connection.
    bool is_ours(const Leg& client) const;

private:
    struct LegHash {
        size_t operator()(const Leg& leg) const {
            return EndpointHash{}(leg.source) * 31 + EndpointHash{}(leg.destination);
        }
    };
    std::atomic<size_t> remembered_{0};
    mutable std::mutex mutex_;
    std::unordered_set<Leg, LegHash> legs_;
};

}  // namespace hairpin::proxy
