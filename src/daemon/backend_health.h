// The health of the backends of a configuration: checked, told.
#pragma once

#include <atomic>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "daemon/administration.h"
#include "daemon/events.h"
#include "daemon/serving_report.h"
#include "engines/engine.h"
#include "health/checker.h"
#include "model/in_service.h"

namespace hairpin {

// One thread, the daemon's. Where no service asks for checks, no thread is started.
class BackendHealth {
public:
    // `on_change` is called on another thread when changed() has become true; it must not wait.
    // What an operator has taken out, which must outlive this, is in nobody's count; what is disabled is not checked.
    BackendHealth(std::function<void()> on_change, const Administration& administration)
        : on_change_(std::move(on_change)), administration_(administration) {}

    // Checks the backends of these services from now on, and no others. What is known of a backend whose check stays
    // the same is kept; a new one is up until its first check fails. `abilities`: of the engine, by which clients come,
    // for `via: endpoint`; tells of each service where the gateway has no address to ask from so, whatever of it is
    // disabled, and when that is over.
    Result<> watch(const Desired& configured, Abilities abilities, Events& events);
    void stop();  // checks none any more

    // Whether a backend may get new flows, for all that is known.
    bool is_up(const Service& service, const Backend& backend) const;

    // How long its last check took, whether it passed or not; nothing: there was none yet.
    std::optional<std::chrono::nanoseconds> check_took(const Service& service, const Backend& backend) const;

    // How many backends of a service are up, for all that is known, and not disabled.
    size_t up(const Service& service) const;

    // What ails a service, in words: each of its backends that is down, and that too few are up, or none is left.
    std::vector<std::string> down(const Service& service) const;
    std::optional<std::string> panic(const Service& service) const;

    // Why checks do not come as clients do, where they should.
    const Wrongs& lacking() const { return lacking_; }

    // What clients have met, of backends whose `passive` asks for that.
    void clients_failed(const std::vector<BackendFailure>& failures);

    bool changed() const { return changed_; }
    // Notes each backend that went up or down since the last call, and each service that has too few now, or again
    // enough, to be told of once it is so: new flows go where that leads them. `services`: those that are watched.
    void note_changes(const std::vector<Service>& services);
    void tell_changes(Events& events);
    // Likewise of one service, whose backends an operator has taken out or brought back.
    void tell_panic(const Service& service, Events& events);
    // Of those that had too few, and have enough with what is configured now.
    void tell_what_is_over(const std::vector<Service>& services, Events& events);

    // In both, `serving` are the same services with those backends alone that take new flows.
    // A line for each backend that is checked, as to_json() tells it.
    void log_backends(const std::vector<Service>& services, const std::vector<Service>& serving) const;
    // {"backends": [{"service": "web", "backend": "10.0.0.2:80", "name": "app.lan", "state": "down", "serving": false,
    // "backup": false, "check": "http", "reason": "connection refused", "in_a_row": 3, "for_ms": 12000}]}, in the order
    // of the services. `name`: that it comes from; `state` is up, down, unchecked or what an operator made of it,
    // draining or disabled; `check`: its kind, `null` where
    // clients alone tell; `serving`: new flows are led to
    // it; `backup`: only while no other backend takes them; `reason`: why its last check failed, or what clients met;
    // `in_a_row`: checks that ended as that one; `for_ms`: since it went up or down, or was first to be checked. null:
    // there is none
    nlohmann::ordered_json to_json(const std::vector<Service>& services, const std::vector<Service>& serving) const;

private:
    std::optional<CheckOrigin> origin_of(const Service& service, const Backend& backend, const Topology& topology,
                                         Abilities abilities, Wrongs& lacking) const;
    nlohmann::ordered_json backends_of(const Service& service, const Service& serving) const;
    std::optional<health::Status> status(const Service& service, const Backend& backend) const;
    bool panics_now(const Service& service) const;
    std::optional<Event> panic_event(const Service& service);

    const std::function<void()> on_change_;
    const Administration& administration_;
    std::atomic<bool> changed_ = false;
    std::set<std::string, std::less<>> panicking_;  // services
    std::vector<Event> untold_;
    Wrongs lacking_;                            // as it has been told
    std::unique_ptr<health::Checker> checker_;  // last: its thread uses what stands above
};

}  // namespace hairpin
