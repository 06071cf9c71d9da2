#include "engines/proxy/flow_limits.h"

#include <algorithm>

namespace hairpin::proxy {
namespace {

using namespace std::chrono_literals;
using Duration = std::chrono::steady_clock::duration;

constexpr Duration refill = 1s;  // of an empty bucket

// The time in which a bucket gains a token.
Duration token(uint32_t rate) { return refill / rate; }

}  // namespace

bool TokenBucket::has_one(uint32_t rate, Time now) const { return full_at_ <= now + refill - token(rate); }

void TokenBucket::take(uint32_t rate, Time now) { full_at_ = std::max(full_at_, now) + token(rate); }

std::optional<Limit> FlowLimits::Share::take(const Limits& limits, TokenBucket::Time now) {
    const auto reached = of_.take(limits, client_, now);
    taken_ = !reached;
    return reached;
}

FlowLimits::Share::~Share() {
    if (taken_) of_.give_back(client_);
}

std::optional<Limit> FlowLimits::take(const Limits& limits, const Ip& client, TokenBucket::Time now) {
    const std::lock_guard lock(mutex_);
    forget_idle(now);
    const auto known = clients_.find(client);  // whoever is refused shall cost no memory
    const Client before = known == clients_.end() ? Client{} : known->second;
    const auto is_left = [&](Limit limit) {
        switch (limit) {
            case Limit::connections_per_client:
                return before.alive < limits[limit];
            case Limit::connections:
                return alive_ < limits[limit];
            case Limit::new_per_second_per_client:
                return before.bucket.has_one(limits[limit], now);
            case Limit::new_per_second:
                return bucket_.has_one(limits[limit], now);
        }
        return true;
    };
    for (const Limit limit : all_limits) {
        if (limits[limit] > 0 && !is_left(limit)) return limit;
    }
    Client& own = clients_[client];
    ++own.alive;
    ++alive_;
    if (const uint32_t rate = limits[Limit::new_per_second_per_client]) own.bucket.take(rate, now);
    if (const uint32_t rate = limits[Limit::new_per_second]) bucket_.take(rate, now);
    return std::nullopt;
}

void FlowLimits::give_back(const Ip& client) {
    const std::lock_guard lock(mutex_);
    --alive_;
    --clients_.find(client)->second.alive;
}

// Once a second: those who are looked at have a flow, or have begun one within the last two seconds.
void FlowLimits::forget_idle(TokenBucket::Time now) {
    if (now < next_look_) return;
    next_look_ = now + refill;
    std::erase_if(clients_,
                  [&](const auto& known) { return known.second.alive == 0 && known.second.bucket.is_full(now); });
}

}  // namespace hairpin::proxy
