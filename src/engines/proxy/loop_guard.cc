#include "engines/proxy/loop_guard.h"

namespace hairpin::proxy {

bool may_lead_to_us(const Ruleset& ruleset, Protocol protocol, const Endpoint& destination) {
    return ruleset.find(protocol, destination).has_value();
}

void LoopGuard::remember(const Leg& ours) {
    const std::lock_guard lock(mutex_);
    legs_.insert(ours);
    remembered_.store(legs_.size());
}

void LoopGuard::forget(const Leg& ours) {
    const std::lock_guard lock(mutex_);
    legs_.erase(ours);
    remembered_.store(legs_.size());
}

bool LoopGuard::is_ours(const Leg& client) const {
    if (remembered_.load() == 0) return false;
    const std::lock_guard lock(mutex_);
    return legs_.contains(client);
}

}  // namespace hairpin::proxy
