// How many flows of one service live, and how fast they begin, against its limits: exact, whichever workers have them.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "model/limits.h"

namespace hairpin::proxy {

// Tokens, which flows take as they begin: `rate` at most, and as many more a second.
class TokenBucket {
public:
    using Time = std::chrono::steady_clock::time_point;

    bool has_one(uint32_t rate, Time now) const;
    void take(uint32_t rate, Time now);  // precondition: has_one()
    bool is_full(Time now) const { return full_at_ <= now; }

private:
    Time full_at_{};
};

// Of one service, across all workers. Any thread: a lock is held for a moment as a flow begins and as it ends, of
// services that have limits. What began without limits is not counted, what was counted is so until it ends.
class FlowLimits {
public:
    // What one flow takes of them, until it ends: this object is gone. FlowLimits must outlive it.
    class Share {
    public:
        // `client`: counted_client().
        Share(FlowLimits& limits, const Ip& client) : of_(limits), client_(client) {}
        ~Share();
        Share(const Share&) = delete;
        Share& operator=(const Share&) = delete;

        // Once. The first limit that the flow would break: then nothing is taken.
        std::optional<Limit> take(const Limits& limits, TokenBucket::Time now);

    private:
        FlowLimits& of_;
        const Ip client_;
        bool taken_ = false;
    };

private:
    struct Client {
        uint32_t alive = 0;
        TokenBucket bucket;
    };

    std::optional<Limit> take(const Limits& limits, const Ip& client, TokenBucket::Time now);
    void give_back(const Ip& client);
    void forget_idle(TokenBucket::Time now);

    std::mutex mutex_;  // guards what follows
    uint32_t alive_ = 0;
    TokenBucket bucket_;
    std::unordered_map<Ip, Client, IpHash> clients_;  // those that have a flow, or whose bucket is not full
    TokenBucket::Time next_look_{};                   // for those that have neither
};

}  // namespace hairpin::proxy
