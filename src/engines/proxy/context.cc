#include "engines/proxy/context.h"

#include "engines/proxy/session.h"

namespace hairpin::proxy {

Context::Context(size_t worker_index, LoopGuard& loop_guard) : worker(worker_index), guard(loop_guard) {}

Context::~Context() = default;

bool Served::within_limits(const Desired& desired, const Ip& client, std::chrono::steady_clock::time_point now,
                           std::unique_ptr<FlowLimits::Share>& share) const {
    const Limits& limits = listen.service->limits;
    if (!limits.any()) return true;
    share =
        std::make_unique<FlowLimits::Share>(record->limits, counted_client(desired.ruleset, desired.topology, client));
    const auto reached = share->take(limits, now);
    if (reached) record->report(*reached, limits[*reached], client);
    return !reached;
}

void Context::make_room() {
    const auto extend = [](auto& list, size_t size) {
        if (list.capacity() < size) list.reserve(2 * size);
    };
    const size_t alive = sessions.size() + 1;
    extend(sessions, alive);
    extend(ended, ended.size() + alive);
    extend(again, ended.size() + alive);
}

}  // namespace hairpin::proxy
