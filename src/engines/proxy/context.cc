#include "engines/proxy/context.h"

#include <algorithm>

#include "engines/proxy/session.h"
#include "model/slots.h"

namespace hairpin::proxy {

Attempts Served::attempts(const Ip& client) const {
    const Service& service = *listen.service;
    const bool is_backend =
        service.self != SelfPolicy::allow &&
        std::ranges::any_of(service.backends, [&](const Backend& b) { return b.endpoint.ip == client; });
    const auto slots = is_backend ? std::make_shared<const Slots>(slots_of(service, client)) : listen.slots;
    const size_t first = record->slot(service.balance, slots->size(), client);
    Attempts attempts = service.balance == Balance::least_connections ? Attempts(slots, first, service, *backends)
                                                                      : Attempts(slots, first);
    if (is_backend && service.self != SelfPolicy::deny) {
        attempts.then(listen.slots, record->slot(service.balance, listen.slots->size(), client));
    }
    return attempts;
}

// Others than the client itself do take flows, or nobody does.
Refusal Served::nobody() const {
    if (takes_new_flows(*listen.service)) return Refusal::denied;
    record->report(Refusal::backend, [] { return std::string(nobody_takes_flows); });
    return Refusal::backend;
}

void Served::accepted(Choice choice, Path path, std::optional<std::chrono::nanoseconds> took) const {
    BackendRecord& backend = *(*backends)[choice.backend];
    backend.count(path, took);
    if (took) backend.accepted();
    counters->accepted[static_cast<size_t>(path)].add();
}

void Served::failed(Choice choice, const ConnectFailure& failure) const {
    const auto& health = listen.service->health;
    if (!failure.is_of_backend() || !health || !health->passive) return;
    BackendRecord& backend = *(*backends)[choice.backend];
    if (backend.failed() < health->passive->failures) return;
    backend.accepted();  // they count anew
    record->tell_failure(listen.service->backends[choice.backend].endpoint, failure.reason());
}

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
