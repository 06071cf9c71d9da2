#include "daemon/serving_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace hairpin {
namespace {

EventKind kind_of(Order order) {
    switch (order) {
        case Order::drain:
            return EventKind::backend_drained;
        case Order::undrain:
            return EventKind::backend_undrained;
        case Order::disable:
            return EventKind::backend_disabled;
        case Order::enable:
            return EventKind::backend_enabled;
    }
    return EventKind::backend_enabled;
}

std::vector<Event> differences(const Wrongs& before, const Wrongs& now, EventKind begun, EventKind over) {
    std::vector<Event> events;
    for (const auto& [text, service] : now) {
        if (before.contains(text)) continue;
        events.push_back(
            {.kind = begun, .level = Event::Level::warning, .message = "as things stand: " + text, .service = service});
    }
    for (const auto& [text, service] : before) {
        if (now.contains(text)) continue;
        events.push_back({.kind = over, .message = "no longer so: " + text, .service = service});
    }
    return events;
}

}  // namespace

Event order_event(Order order, const ServiceBackend& name, Duty now, const std::string& who) {
    return {.kind = kind_of(order),
            .message = fmt::format("{} is {} ({}): {} asked for that", name.str(), hairpin::name(now),
                                   hairpin::name(order), who),
            .service = name.service,
            .backend = name.backend.str(),
            .by = who};
}

Event kept_order_event(const ServiceBackend& name, Duty now) {
    const bool drains = now == Duty::draining;
    return {.kind = drains ? EventKind::backend_drained : EventKind::backend_disabled,
            .level = Event::Level::warning,
            .message = fmt::format("{} is {}, as it was before: `hairpin {} {} --service {}` ends that", name.str(),
                                   hairpin::name(now), drains ? "undrain" : "enable", name.backend.str(), name.service),
            .service = name.service,
            .backend = name.backend.str(),
            .by = "an earlier daemon"};
}

Event outcome_event(std::string_view what, const Result<>& done) {
    if (done) return {.kind = EventKind::change_followed, .message = fmt::format("{} is followed by now", what)};
    return {.kind = EventKind::change_failed,
            .level = Event::Level::warning,
            .message = done.error().within(what).message,
            .reason = done.error().message};
}

Event network_event(const Topology& now) {
    return {.kind = EventKind::network_changed,
            .message = fmt::format("the network changed: {} addresses, {} routes", now.addresses().size(),
                                   now.routes().size())};
}

Event gap_event(std::string_view engine, const Gap& gap) {
    return {.kind = EventKind::gap,
            .level = Event::Level::warning,
            .message = fmt::format("engine {}: service {}: {}", engine, gap.service, gap.message),
            .service = gap.service};
}

std::string needs_restart(const Settings& running, const Settings& configured) {
    std::vector<std::string_view> keys;
    if (running.engine != configured.engine) keys.emplace_back("engine");
    if (running.threads != configured.threads) keys.emplace_back("threads");
    if (running.set_sysctls != configured.set_sysctls) keys.emplace_back("sysctls");
    if (running.api != configured.api) keys.emplace_back("api");
    if (keys.empty()) return {};
    return fmt::format("the change of {} needs a restart: `systemctl restart hairpin`", fmt::join(keys, " and "));
}

Event restart_event(std::string message) {
    return {.kind = EventKind::restart_needed, .level = Event::Level::warning, .message = std::move(message)};
}

std::vector<Event> wrong_events(const Wrongs& before, const Wrongs& now) {
    return differences(before, now, EventKind::service_impaired, EventKind::service_restored);
}

std::vector<Event> wrong_check_events(const Wrongs& before, const Wrongs& now) {
    return differences(before, now, EventKind::checks_impaired, EventKind::checks_restored);
}

}  // namespace hairpin
