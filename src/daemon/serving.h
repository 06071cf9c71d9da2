// What is served, by which engine, and how that follows the configuration, operators, health, names and the network.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "daemon/administration.h"
#include "daemon/backend_discovery.h"
#include "daemon/backend_health.h"
#include "daemon/departures.h"
#include "daemon/events.h"
#include "daemon/gateway.h"
#include "daemon/notes.h"
#include "daemon/remains.h"
#include "daemon/serving_report.h"
#include "engines/conditions.h"
#include "net/topology_watch.h"

namespace hairpin {

// One thread, the daemon's, which gets SIGUSR2 when look() has something to see, and SIGIO for follow_network().
//
// At the start: watch_network(), prepare(), choose_engine(), begin(). In all that follows, what the engine cannot do
// leaves everything as it was. `written` are the configured services at the addresses that their links bear, but with
// names as they are.
class Serving {
public:
    using Time = std::chrono::steady_clock::time_point;

    explicit Serving(Events& events);  // which outlive it

    // Before the network is first read: what changes from now on is not missed.
    Result<> watch_network();
    // What is to be served, here and now, and as operators have ordered. Waits for what DNS says, but not for long.
    // `socket` is the API's, beside which daemons leave word for each other; empty: there is none.
    Result<> prepare(const Config& config, const Topology& topology, const std::string& socket);
    Result<> can_begin(const Ruleset& written) const;
    // `inherited` may be null.
    Result<> choose_engine(const Ruleset& written, std::shared_ptr<InheritedSockets> inherited);
    // Serves, and tells what an operator should know of that.
    Result<> begin(const Ruleset& written);

    // Serves this configuration instead; how long the engine took.
    Result<std::chrono::milliseconds> replace(const Config& config, const Topology& topology, const Ruleset& written);
    // An operator takes backends out, or brings them back; `who` that is, in words.
    Result<> administer(Order order, const std::vector<ServiceBackend>& names, const std::string& who);

    void look();            // whether health and names have changed
    void follow_network();  // the machine's addresses and routes may have
    // Follows what has changed, once that has settled, and until it succeeds. The time of the next thing to do.
    std::optional<Time> follow();
    // About once a second: the engine's care, and backends whose time is over.
    void tend();
    void log_stats();

    // For the daemon after us. Where the kernel serves there can be one engine only: ours is gone. Elsewhere what lives
    // here goes on, and from now on tend() carries out what the next one is told, and tells it what lives here.
    void let_go();
    // When what lives here is to have ended since that one was stopped in order; nothing: it was not.
    std::optional<Time> ends_by() const;
    // It did not come to serve. The kernel's state is taken over again, as from a daemon that was killed; failing that,
    // which is logged, there is no engine.
    void take_again();

    // This daemon stops: what lives in processes before it, which upgrades have retired, is to end by then, too. How
    // many flows that are.
    uint64_t end_retired(Time by);
    // No checks, and no new connections; live ones go on.
    void stop_checking() { health_.stop(); }
    Result<> serve_nothing();
    uint64_t active() { return count_active(*engine_); }  // connections and sessions alive now

    Engine* engine() { return engine_.get(); }  // null: none was chosen yet, or another process has it
    const Settings& settings() const { return settings_; }
    const Topology& topology() const { return configured_->topology; }
    const Ruleset& ruleset() const { return desired_->ruleset; }
    // As the API sees it, but for what is the daemon's affair. Precondition: there is an engine.
    Gateway gateway(const Loads& loads, Time started);

private:
    // Something to be followed.
    struct Task {
        std::string_view what;
        Result<> (Serving::*follow)();
        std::optional<Time> at = {};  // nothing: there is nothing to do
        std::string failure = {};     // why it could not be followed, the last time; empty: it was
    };

    const std::vector<Service>& services() const { return configured_->ruleset.services(); }
    Result<> follow_names();
    Result<> follow_health();
    Result<> serve_here();
    void follow(Task& task);
    void tell_outcome(Task& task, const Result<>& done);
    Result<> replace(const std::vector<Service>& next, const Topology& topology);
    void remember_orders();
    void keep_orders();
    void heed_successor();
    void lead_on(const Desired& before);
    Result<> ask_for_names(const std::set<Question>& asked, const std::vector<Endpoint>& resolvers);
    std::shared_ptr<const Desired> standing(std::vector<Service> services, Topology topology);
    std::shared_ptr<const Desired> desire(const std::shared_ptr<const Desired>& configured,
                                          const Administration& administration) const;
    Result<> serve(std::shared_ptr<const Desired> configured, Administration administration);
    void check_health();
    void tell_of_names(const Ruleset& before);
    void tell_of_links(const Topology* before);

    Events& events_;
    Conditions absent_{[this](const Event& event) { events_.tell(event); }};  // addresses
    Settings settings_;
    std::string needs_restart_;  // what of the configuration's settings is not in force
    std::optional<TopologyWatch> watch_;
    std::unique_ptr<Engine> engine_;
    std::shared_ptr<const Desired> configured_;  // all backends
    std::shared_ptr<const Desired> desired_;     // what the engine serves: those that take new flows
    Administration administration_;
    Departures departures_;
    std::optional<Stop> stop_;  // the last one
    Notes notes_;
    Remains remains_;
    BackendHealth health_;
    BackendDiscovery names_;
    Wrongs wrong_here_;  // of links and names
    Task network_{"a change of the network", &Serving::serve_here};
    Task health_change_{"a change of health", &Serving::follow_health};
    Task name_change_{"a change of names", &Serving::follow_names};
};

}  // namespace hairpin
