#include "daemon/departures.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <map>
#include <set>

#include "daemon/wording.h"

namespace hairpin {
namespace {

// A retired process looks about once a second who leaves, and does not hear otherwise of what a reload has removed.
constexpr std::chrono::milliseconds least_late{3000};

bool leads_to(const ServiceBackend& name, const LiveFlow& flow) {
    return name.service == flow.service && name.backend.contains(flow.backend.destination);
}

bool any_at(const ServiceBackend& name, const FlowCounts& living) {
    return std::ranges::any_of(living, [&](const auto& entry) {
        const auto& [service, backend] = entry.first;
        return service == name.service && name.backend.contains(backend);
    });
}

std::set<ServiceBackend> names_in(const std::vector<Service>& services) {
    std::set<ServiceBackend> names;
    for (const Service& service : services) {
        for (const Backend& backend : service.backends) names.insert({service.name, backend.endpoint});
    }
    return names;
}

}  // namespace

void Departures::leave(const ServiceBackend& name, Time by, std::chrono::milliseconds late) {
    leaving_[name] = {by, by + std::max(late, least_late)};
}

void Departures::stay(const ServiceBackend& name) { leaving_.erase(name); }

void Departures::stay(const std::set<ServiceBackend>& names, const Administration& administration) {
    for (const ServiceBackend& name : names) {
        if (administration.duty(name) != Duty::disabled) stay(name);
    }
}

void Departures::follow(Duty duty, const ServiceBackend& name, const Service& service, Time now) {
    if (duty != Duty::disabled) return stay(name);
    if (!leaving_.contains(name)) {
        leave(name, now + service.drain_timeout.value_or(std::chrono::milliseconds(0)), service.connect_timeout);
    }
}

void Departures::follow(const std::vector<Service>& before, const std::vector<Service>& after,
                        const Administration& administration, Time now) {
    const auto has_timeout = [](const Service& service) { return service.drain_timeout.has_value(); };
    if (leaving_.empty() && std::ranges::none_of(before, has_timeout) && std::ranges::none_of(after, has_timeout)) {
        return;
    }
    const std::set<ServiceBackend> there = names_in(after);
    stay(there, administration);
    std::map<std::string_view, const Service*> now_configured;
    for (const Service& service : after) now_configured.emplace(service.name, &service);
    for (const Service& service : before) {
        const auto still = now_configured.find(service.name);
        const auto timeout = (still != now_configured.end() ? *still->second : service).drain_timeout;
        if (!timeout) continue;
        for (const Backend& backend : service.backends) {
            const ServiceBackend name{service.name, backend.endpoint};
            if (!there.contains(name) && !leaving_.contains(name)) leave(name, now + *timeout, service.connect_timeout);
        }
    }
}

void Departures::go_on(const Departures& before, const std::vector<Service>& services,
                       const Administration& administration) {
    leaving_ = before.leaving_;
    stay(names_in(services), administration);
}

void Departures::heed(const Departures& others, const Administration& administration, const FlowCounts& living,
                      Time now) {
    std::erase_if(leaving_, [&](const auto& entry) { return entry.second.by > now; });
    leaving_.insert(others.leaving_.begin(), others.leaving_.end());
    for (const auto& [name, duty] : administration.duties()) {
        if (duty == Duty::disabled && !leaving_.contains(name) && any_at(name, living)) leaving_[name] = {now, now};
    }
}

std::vector<ServiceBackend> Departures::due(Time now) {
    std::vector<ServiceBackend> names;
    for (const auto& [name, departure] : leaving_) {
        if (departure.by <= now) names.push_back(name);
    }
    std::erase_if(leaving_, [&](const auto& entry) { return entry.second.over < now; });
    return names;
}

void Departures::end_due(Engine& engine, Time now, Events& events) {
    const std::vector<ServiceBackend> names = due(now);
    if (names.empty()) return;
    std::map<ServiceBackend, uint64_t> ended;
    const auto done = engine.end_connections([&](const LiveFlow& flow) {
        const auto name = std::ranges::find_if(names, [&](const ServiceBackend& one) { return leads_to(one, flow); });
        if (name == names.end()) return false;
        ++ended[*name];
        return true;
    });
    for (const auto& [name, count] : ended) {
        events.tell({.kind = EventKind::connections_reset,
                     .message = fmt::format("{}: {} live connection{} reset", name.str(), count,
                                            count == 1 ? " was" : "s were"),
                     .service = name.service,
                     .backend = name.backend.str()});
    }
    if (!done) spdlog::warn(done.error().within("ending live connections").message);
}

void lead_on_unanswered(Engine& engine, const std::set<ServiceBackend>& down) {
    const auto led_on = engine.end_connections([&](const LiveFlow& flow) {
        return !flow.answered && std::ranges::any_of(down, [&](const auto& name) { return leads_to(name, flow); });
    });
    if (!led_on) return spdlog::warn(led_on.error().within("leading on who waits for a backend").message);
    if (*led_on > 0) spdlog::info("{} that no backend has answered: to begin anew", count(*led_on, "connection"));
}

}  // namespace hairpin
