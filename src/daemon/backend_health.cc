#include "daemon/backend_health.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>
#include <utility>

#include "model/follow_names.h"

namespace hairpin {
namespace {

using nlohmann::ordered_json;

std::string describe(const health::Change& change) {
    const health::Standing& standing = change.status.standing;
    std::string text = "service " + change.service + ": backend " + change.backend.str() + " is ";
    text += standing.up() ? "up" : "down: " + change.status.reason;
    return standing.in_a_row() <= 1 ? text : text + fmt::format(" ({} in a row)", standing.in_a_row());
}

Event event_of(const health::Change& change) {
    const bool up = change.status.standing.up();
    return {.kind = up ? EventKind::backend_up : EventKind::backend_down,
            .level = up ? Event::Level::info : Event::Level::warning,
            .message = describe(change),
            .service = change.service,
            .backend = change.backend.str(),
            .reason = change.status.reason,
            .by = std::string(name(change.by))};
}

std::string_view state_of(Duty duty, const std::optional<health::Status>& known) {
    if (duty != Duty::ready) return name(duty);
    if (!known || !known->standing.checked()) return "unchecked";
    return known->standing.up() ? "up" : "down";
}

}  // namespace

Result<> BackendHealth::watch(const Desired& configured, Abilities abilities, Events& events) {
    const std::vector<Service>& services = configured.ruleset.services();
    const bool any = std::ranges::any_of(services, [](const Service& service) { return bool(service.health); });
    if (!checker_ && any) {
        auto started = health::Checker::start(
            [this] {
                changed_ = true;
                on_change_();
            },
            std::random_device()());
        if (!started) return started.error();
        checker_ = *std::move(started);
    }
    Wrongs lacking;
    if (checker_) {
        checker_->watch(administration_.checked(services), [&](const Service& service, const Backend& backend) {
            return origin_of(service, backend, configured.topology, abilities, lacking);
        });
    }
    for (const Service& service : services) {  // no order of an operator's is the end of what addresses lack
        if (!service.health || !administration_.concerns(service)) continue;
        for (const Backend& backend : service.backends) {
            origin_of(service, backend, configured.topology, abilities, lacking);
        }
    }
    for (const Event& event : wrong_check_events(lacking_, lacking)) events.tell(event);
    lacking_ = std::move(lacking);
    std::set<std::string, std::less<>> still;
    for (const Service& service : services) {
        if (panicking_.contains(service.name)) still.insert(service.name);
    }
    panicking_ = std::move(still);
    return {};
}

void BackendHealth::stop() {
    if (checker_) checker_->watch({});
    panicking_.clear();
}

std::optional<CheckOrigin> BackendHealth::origin_of(const Service& service, const Backend& backend,
                                                    const Topology& topology, Abilities abilities,
                                                    Wrongs& lacking) const {
    if (service.health->via != CheckVia::endpoint) return std::nullopt;
    const auto origin = check_origin(service, topology, backend, abilities);
    if (origin) return *origin;
    lacking.emplace("service " + service.name + ": " + origin.error().message, service.name);
    return std::nullopt;
}

bool BackendHealth::is_up(const Service& service, const Backend& backend) const {
    const auto known = status(service, backend);
    return !known || known->standing.up();
}

void BackendHealth::note_changes(const std::vector<Service>& services) {
    changed_ = false;
    std::set<std::string, std::less<>> affected;
    for (const health::Change& change : checker_->take_changes()) {
        untold_.push_back(event_of(change));
        affected.insert(change.service);
    }
    for (const Service& service : services) {
        if (!affected.contains(service.name)) continue;
        if (auto event = panic_event(service)) untold_.push_back(*std::move(event));
    }
}

void BackendHealth::tell_changes(Events& events) {
    for (Event& event : std::exchange(untold_, {})) events.tell(std::move(event));
}

void BackendHealth::clients_failed(const std::vector<BackendFailure>& failures) {
    if (!checker_) return;
    for (const BackendFailure& failure : failures) checker_->fail(failure.service, failure.backend, failure.reason);
}

bool BackendHealth::panics_now(const Service& service) const {
    const auto up = [this](const Service& s, const Backend& b) { return is_up(s, b); };
    return administration_.concerns(service) ? panics(administration_.in_rotation(service), up) : panics(service, up);
}

size_t BackendHealth::up(const Service& service) const {
    const auto counts = [&](const Backend& backend) {
        return is_up(service, backend) && administration_.duty(service, backend) != Duty::disabled;
    };
    return static_cast<size_t>(std::ranges::count_if(service.backends, counts));
}

std::vector<std::string> BackendHealth::down(const Service& service) const {
    std::vector<std::string> list;
    for (const Backend& backend : service.backends) {
        const auto known = status(service, backend);
        if (known && !known->standing.up()) list.push_back(describe({service.name, backend.endpoint, *known}));
    }
    return list;
}

std::optional<std::string> BackendHealth::panic(const Service& service) const {
    if (administration_.concerns(service) && administration_.in_rotation(service).backends.empty()) {
        return "service " + service.name + ": all its backends are taken out: new flows are refused";
    }
    if (!service.health || !panics_now(service)) return std::nullopt;
    const bool all = service.health->when_none == WhenNone::all;
    return "service " + service.name + ": too few backends are up: " +
           (all ? "new flows go to all of them, as if they were" : "new flows are refused");
}

// That a service has too few backends, or again enough, where it has not been told.
std::optional<Event> BackendHealth::panic_event(const Service& service) {
    const auto now = panic(service);
    if (now.has_value() == panicking_.contains(service.name)) return std::nullopt;
    if (now) {
        panicking_.insert(service.name);
        return Event{
            .kind = EventKind::panic_begun, .level = Event::Level::warning, .message = *now, .service = service.name};
    }
    panicking_.erase(service.name);
    return Event{.kind = EventKind::panic_ended,
                 .message = "service " + service.name + ": enough backends are up again",
                 .service = service.name};
}

void BackendHealth::tell_panic(const Service& service, Events& events) {
    if (const auto event = panic_event(service)) events.tell(*event);
}

void BackendHealth::tell_what_is_over(const std::vector<Service>& services, Events& events) {
    if (panicking_.empty()) return;
    for (const Service& service : services) {
        if (panicking_.contains(service.name)) tell_panic(service, events);
    }
}

void BackendHealth::log_backends(const std::vector<Service>& services, const std::vector<Service>& serving) const {
    for (size_t i = 0; i < services.size(); ++i) {
        if (!services[i].health) continue;
        for (const ordered_json& backend : backends_of(services[i], serving[i])) {
            spdlog::info("backend {}", backend.dump(-1, ' ', false, ordered_json::error_handler_t::replace));
        }
    }
}

ordered_json BackendHealth::to_json(const std::vector<Service>& services, const std::vector<Service>& serving) const {
    auto list = ordered_json::array();
    for (size_t i = 0; i < services.size(); ++i) {
        for (ordered_json& backend : backends_of(services[i], serving[i])) list.push_back(std::move(backend));
    }
    return {{"backends", std::move(list)}};
}

ordered_json BackendHealth::backends_of(const Service& service, const Service& serving) const {
    auto list = ordered_json::array();
    for (size_t i = 0; i < service.backends.size(); ++i) {
        const Backend& backend = service.backends[i];
        const BackendName* named = name_of(service, i);
        const auto known = status(service, backend);
        const bool checked = known && known->standing.checked();
        ordered_json json = {{"service", service.name},
                             {"backend", backend.endpoint.str()},
                             {"name", nullptr},
                             {"state", state_of(administration_.duty(service, backend), known)},
                             {"serving", std::ranges::count(serving.backends, backend) > 0},
                             {"backup", backend.backup},
                             {"check", nullptr},
                             {"reason", nullptr},
                             {"in_a_row", nullptr},
                             {"for_ms", nullptr}};
        if (named) json["name"] = named->name;
        if (service.health && service.health->kind != CheckKind::none) json["check"] = name(service.health->kind);
        if (checked) {
            if (!known->reason.empty()) json["reason"] = known->reason;
            const auto age = std::chrono::steady_clock::now() - known->since;
            json["in_a_row"] = known->standing.in_a_row();
            json["for_ms"] = std::chrono::duration_cast<std::chrono::milliseconds>(age).count();
        }
        list.push_back(std::move(json));
    }
    return list;
}

std::optional<std::chrono::nanoseconds> BackendHealth::check_took(const Service& service,
                                                                  const Backend& backend) const {
    const auto known = status(service, backend);
    return known ? known->took : std::nullopt;
}

std::optional<health::Status> BackendHealth::status(const Service& service, const Backend& backend) const {
    if (!checker_ || !service.health) return std::nullopt;
    return checker_->status(service, backend);
}

}  // namespace hairpin
