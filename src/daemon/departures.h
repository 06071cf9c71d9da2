// Backends that take no flows any more, and whose live connections have a set time to end by themselves.
#pragma once

#include <chrono>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "daemon/administration.h"
#include "daemon/events.h"
#include "daemon/retired_flows.h"
#include "engines/engine.h"

namespace hairpin {

// From `by` on what lives there is ended, until it is `over`.
struct Departure {
    std::chrono::steady_clock::time_point by;
    std::chrono::steady_clock::time_point over;
    bool operator==(const Departure&) const = default;
};

// A value, which order_file.h keeps.
class Departures {
public:
    using Time = std::chrono::steady_clock::time_point;

    Departures() = default;
    explicit Departures(std::map<ServiceBackend, Departure> leaving) : leaving_(std::move(leaving)) {}

    // Its connections are to end by then. A connection that was being made to it when it left may still come about, for
    // as long as `late`: it ends as well. So does what lives in a process that an upgrade has retired, which is some
    // seconds late, too.
    void leave(const ServiceBackend& name, Time by, std::chrono::milliseconds late);
    void stay(const ServiceBackend& name);

    // An order about a backend of this service was carried out: what is disabled leaves, anything else stays.
    void follow(Duty duty, const ServiceBackend& name, const Service& service, Time now);
    // What a reload took away leaves where its service has a drain_timeout; what it kept or brought back stays, unless
    // it is disabled.
    void follow(const std::vector<Service>& before, const std::vector<Service>& after,
                const Administration& administration, Time now);

    // Goes on with what the daemon before us has begun, but for who is configured again.
    void go_on(const Departures& before, const std::vector<Service>& services, const Administration& administration);
    // Another process serves, and says who leaves: who does not any more stays here, too, if it is not too late. And
    // who is disabled: what still lives there, of what lives in this process, ends now, unless that one gives it time.
    void heed(const Departures& others, const Administration& administration, const FlowCounts& living, Time now);

    // Those whose time has come, each for as long as something late may come.
    std::vector<ServiceBackend> due(Time now);
    // Ends what lives there, and tells of it.
    void end_due(Engine& engine, Time now, Events& events);

    bool empty() const { return leaving_.empty(); }
    const std::map<ServiceBackend, Departure>& all() const { return leaving_; }
    bool operator==(const Departures&) const = default;

private:
    void stay(const std::set<ServiceBackend>& names, const Administration& administration);

    std::map<ServiceBackend, Departure> leaving_;
};

// These backends are down. Connections that none of them has answered are forgotten: with its next SYN such a client
// begins anew, and is led to another one, if there is one. Logged.
void lead_on_unanswered(Engine& engine, const std::set<ServiceBackend>& down);

}  // namespace hairpin
