#include "daemon/serving.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "daemon/absent_addresses.h"
#include "daemon/advice.h"
#include "daemon/desired.h"
#include "daemon/engine_choice.h"
#include "daemon/link_report.h"
#include "daemon/memory.h"
#include "daemon/process.h"
#include "daemon/serving_report.h"
#include "daemon/stats_json.h"
#include "daemon/status.h"
#include "daemon/wording.h"
#include "engines/registry.h"
#include "model/as_written.h"
#include "model/follow_names.h"
#include "model/listen_links.h"
#include "net/netlink_topology.h"

namespace hairpin {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Changes of the network come in bursts: wait for a pause, but not for ever.
constexpr milliseconds network_is_quiet{50};
constexpr milliseconds network_settles{1000};

// Backends go down together, as those of one host do, and names are asked for together: what comes within this time is
// one change for the engine.
constexpr milliseconds backends_settle{50};
constexpr milliseconds until_another_try{1000};

std::shared_ptr<const Desired> configured_as(std::vector<Service> services, Topology topology) {
    return std::make_shared<const Desired>(Desired{Ruleset(std::move(services)), std::move(topology)});
}

}  // namespace

Serving::Serving(Events& events) : events_(events), health_(wake_daemon, administration_), names_(wake_daemon) {}

Result<> Serving::watch_network() {
    auto watch = TopologyWatch::open();
    if (!watch) return watch.error();
    watch_ = *std::move(watch);
    return {};
}

Result<> Serving::prepare(const Config& config, const Topology& topology, const std::string& socket) {
    settings_ = config.settings;
    if (auto asked = ask_for_names(questions(config.services), settings_.resolvers); !asked) return asked;
    configured_ = standing(config.services, topology);
    notes_ = Notes(socket);
    remember_orders();
    desired_ = desire(configured_, administration_);
    return {};
}

Result<> Serving::can_begin(const Ruleset& written) const { return hairpin::can_begin({settings_, written, desired_}); }

Result<> Serving::choose_engine(const Ruleset& written, std::shared_ptr<InheritedSockets> inherited) {
    auto chosen = hairpin::choose_engine({settings_, written, desired_}, std::move(inherited), events_);
    if (!chosen) return chosen.error();
    engine_ = *std::move(chosen);
    return {};
}

Result<> Serving::begin(const Ruleset& written) {
    if (settings_.engine != automatic_engine) {
        if (auto begun = hairpin::begin(*engine_, desired_); !begun) return begun;
    }
    // Ours serves, so that no client meets nobody. It then needs sysctls that the others have put back.
    if (remains_.clear(*engine_, events_)) {
        if (auto again = engine_->apply(desired_); !again) {
            (void)engine_->clear();
            return again;
        }
    }
    if (auto watched = health_.watch(*configured_, engine_->abilities(), events_); !watched) return watched;
    departures_.go_on(notes_.kept().departures, services(), administration_);
    for (const auto& [name, duty] : administration_.duties()) {
        const auto service = std::ranges::find(services(), name.service, &Service::name);
        departures_.follow(duty, name, *service, steady_clock::now());
    }
    advise(*engine_, desired_->ruleset);
    tell_of_links(nullptr);
    tell_of_names(written);
    keep_orders();
    return {};
}

Result<milliseconds> Serving::replace(const Config& config, const Topology& topology, const Ruleset& written) {
    // The names of what is served, too: if this is refused, nothing is forgotten of those.
    std::set<Question> both = questions(services());
    both.merge(questions(config.services));
    if (const auto asked = ask_for_names(both, config.settings.resolvers); !asked) return asked.error();
    const auto began = steady_clock::now();
    const auto replaced = replace(config.services, topology);
    const auto took = std::chrono::duration_cast<milliseconds>(steady_clock::now() - began);
    if (replaced) {
        check_health();
        tell_of_links(nullptr);
        tell_of_names(written);
        settings_.drain_timeout = config.settings.drain_timeout;
        settings_.resolvers = config.settings.resolvers;
    }
    const auto watched = names_.watch(questions(services()), settings_.resolvers);
    if (!watched) spdlog::warn(watched.error().message);
    if (!replaced) return replaced.error();
    needs_restart_ = needs_restart(settings_, config.settings);
    if (!needs_restart_.empty()) events_.tell(restart_event(needs_restart_));
    return took;
}

Result<> Serving::replace(const std::vector<Service>& next, const Topology& topology) {
    const auto before = configured_;
    auto configured = standing(next, topology);
    Administration administration = administration_;
    administration.keep(configured->ruleset.services());
    if (auto applied = serve(std::move(configured), std::move(administration)); !applied) return applied;
    departures_.follow(before->ruleset.services(), services(), administration_, steady_clock::now());
    keep_orders();
    return {};
}

Result<> Serving::administer(Order order, const std::vector<ServiceBackend>& names, const std::string& who) {
    Administration administration = administration_;
    for (const ServiceBackend& name : names) administration.carry_out(order, name);
    if (auto applied = serve(configured_, std::move(administration)); !applied) return applied;
    for (const ServiceBackend& name : names) {
        const auto service = std::ranges::find(services(), name.service, &Service::name);
        const Duty duty = administration_.duty(name);
        events_.tell(order_event(order, name, duty, who));
        departures_.follow(duty, name, *service, steady_clock::now());
        health_.tell_panic(*service, events_);
    }
    keep_orders();
    check_health();
    departures_.end_due(*engine_, steady_clock::now(), events_);
    return {};
}

void Serving::look() {
    if (engine_) health_.clients_failed(engine_->take_failures());
    const Time settled = steady_clock::now() + backends_settle;
    if (health_.changed() && !health_change_.at) health_change_.at = settled;
    if (names_.changed() && !name_change_.at) name_change_.at = settled;
}

void Serving::follow_network() {
    if (!watch_->changed()) return;
    const Time deadline = steady_clock::now() + network_settles;
    while (watch_->changed(network_is_quiet) && steady_clock::now() < deadline) {
    }
    network_.at = steady_clock::now();
}

std::optional<Serving::Time> Serving::follow() {
    std::optional<Time> next;
    for (Task* task : {&network_, &health_change_, &name_change_}) {
        if (task->at && *task->at <= steady_clock::now()) {
            follow(*task);
        }
        if (task->at) next = std::min(*task->at, next.value_or(*task->at));
    }
    return next;
}

void Serving::follow(Task& task) {
    task.at = steady_clock::now() + until_another_try;
    within_memory(task.what, [&] {
        const auto done = (this->*task.follow)();
        if (done) task.at.reset();
        tell_outcome(task, done);
    });
}

// A failure is told of once, and so is its end.
void Serving::tell_outcome(Task& task, const Result<>& done) {
    std::string failure = done ? "" : done.error().message;
    if (failure == task.failure) return;
    events_.tell(outcome_event(task.what, done));
    task.failure = std::move(failure);
}

// Names stand for something else, or cannot be resolved, or can again.
Result<> Serving::follow_names() {
    const auto before = configured_;
    auto now = standing(services(), topology());
    if (now->ruleset.services() != services()) {
        if (auto applied = serve(std::move(now), administration_); !applied) return applied;
        departures_.follow(before->ruleset.services(), services(), administration_, steady_clock::now());
        keep_orders();
        check_health();
    }
    tell_of_names(before->ruleset);
    return {};
}

// Backends went up or down.
Result<> Serving::follow_health() {
    health_.note_changes(services());
    return serve(configured_, administration_);
}

// The same services, where the gateway stands now.
Result<> Serving::serve_here() {
    const auto topology = read_topology();
    if (!topology) return topology.error();
    if (*topology == desired_->topology) return {};
    const auto before = configured_;
    if (auto applied = serve(standing(services(), *topology), administration_); !applied) return applied;
    check_health();  // checks may come from elsewhere
    tell_of_links(&before->topology);
    events_.tell(network_event(*topology));
    give_back_memory();
    return {};
}

void Serving::tend() {
    within_memory("the engine's care", [this] {
        engine_->tend();
        if (notes_.retired_at()) heed_successor();
        departures_.end_due(*engine_, steady_clock::now(), events_);
        keep_orders();
        if (notes_.retired_at()) notes_.tell(*engine_);
    });
}

void Serving::log_stats() {
    health_.log_backends(services(), desired_->ruleset.services());
    const Result<Stats> stats = engine_->stats();
    if (!stats) return spdlog::warn(stats.error().message);
    for (const ServiceStats& service : stats->services) spdlog::info("stats {}", to_json(service).dump());
}

void Serving::let_go() {
    if (is_in_kernel(*engine_)) return engine_.reset();
    notes_.retire(*engine_);
}

void Serving::take_again() {
    const bool is_here = notes_.retired_at().has_value();
    notes_.serve_again();
    if (is_here) return;
    auto chosen = choose_engine(configured_->ruleset, nullptr);
    if (chosen && settings_.engine != automatic_engine) chosen = hairpin::begin(*engine_, desired_);
    if (chosen) return;
    spdlog::error(chosen.error().message);
    engine_.reset();
}

Result<> Serving::serve_nothing() {
    return engine_->apply(std::make_shared<const Desired>(Desired{Ruleset{}, desired_->topology}));
}

Gateway Serving::gateway(const Loads& loads, Time started) {
    Gateway seen{*engine_, health_, names_, *configured_, *desired_, loads, events_, started};
    seen.administer = [this](Order order, const std::vector<ServiceBackend>& names, const std::string& who) {
        return administer(order, names, who);
    };
    seen.retired_flows = [this] { return notes_.retired_flows(); };
    seen.remains = [this] { return remains_.problems(); };
    seen.network_failure = network_.failure;
    seen.needs_restart = needs_restart_;
    return seen;
}

// What the daemon before us was told.
void Serving::remember_orders() {
    const Orders& kept = notes_.remember();
    if (kept.stop && kept.stop->at <= steady_clock::now()) stop_ = kept.stop;  // else the clock was set back
    administration_ = kept.administration;
    administration_.keep(services());
    for (const auto& [name, duty] : administration_.duties()) {
        events_.tell(kept_order_event(name, duty));
    }
}

Result<> Serving::ask_for_names(const std::set<Question>& asked, const std::vector<Endpoint>& resolvers) {
    auto watched = names_.watch(asked, resolvers);
    names_.wait_for_first_answers();
    return watched;
}

// The services where links and names stand now, but for what is wrong with these just here and now.
// Of that, what has not been said before is told, and what is so no more.
std::shared_ptr<const Desired> Serving::standing(std::vector<Service> services, Topology topology) {
    auto now = names_.follow(follow_links(std::move(services), topology));
    const std::vector<Problem> problems = validate(now, &topology);
    Wrongs wrong;
    for (const Problem& problem : problems) {
        const std::string& service = now[problem.place.service].name;
        wrong.emplace("service " + service + ": " + problem.message, service);
    }
    for (const Event& event : wrong_events(wrong_here_, wrong)) events_.tell(event);
    wrong_here_ = std::move(wrong);
    return configured_as(without(std::move(now), problems), std::move(topology));
}

std::shared_ptr<const Desired> Serving::desire(const std::shared_ptr<const Desired>& configured,
                                               const Administration& administration) const {
    const auto is_up = [this](const Service& service, const Backend& backend) {
        return health_.is_up(service, backend);
    };
    return make_desired(configured, is_up, administration);
}

// Has the engine serve this, but for backends that are down or taken out. If it cannot, nothing has changed.
Result<> Serving::serve(std::shared_ptr<const Desired> configured, Administration administration) {
    auto desired = desire(configured, administration);
    if (auto applied = engine_->apply(desired); !applied) return applied;
    configured_ = std::move(configured);
    const auto before = std::exchange(desired_, std::move(desired));
    lead_on(*before);
    administration_ = std::move(administration);
    health_.tell_changes(events_);  // whoever reads that a backend is down may count on it
    return {};
}

// For the daemon after us, and for those before us that still live.
void Serving::keep_orders() {
    if (notes_.retired_at()) return;
    if (stop_ && stop_->is_over(steady_clock::now())) stop_.reset();
    notes_.keep({administration_, departures_, stop_});
}

// What the process that serves now keeps for the next one is for us, too.
void Serving::heed_successor() {
    const auto orders = notes_.hear();
    if (!orders) return;
    departures_.heed(orders->departures, orders->administration, notes_.living(), steady_clock::now());
    if (ends_by()) return;  // heard: whoever comes after that one may know nothing of it
    stop_ = orders->stop;
    if (ends_by()) spdlog::info("the process that serves stops: what lives in this one ends with it");
}

std::optional<Serving::Time> Serving::ends_by() const {
    const bool is_stopped = stop_ && notes_.retired_at() && stop_->at > *notes_.retired_at();
    return is_stopped ? std::optional(stop_->by) : std::nullopt;
}

uint64_t Serving::end_retired(Time by) {
    if (!notes_.any_retired()) return 0;
    stop_ = Stop{steady_clock::now(), by};
    keep_orders();
    return notes_.retired_flows().total();
}

// Who waits for a backend that is down by now begins anew. The proxy does so by itself.
void Serving::lead_on(const Desired& before) {
    if (!is_in_kernel(*engine_)) return;
    std::set<ServiceBackend> gone;
    for (const Service& service : before.ruleset.services()) {
        for (const Backend& backend : service.backends) {
            if (!health_.is_up(service, backend)) gone.insert({service.name, backend.endpoint});
        }
    }
    if (gone.empty()) return;
    for (const Service& service : desired_->ruleset.services()) {
        for (const Backend& backend : service.backends) gone.erase({service.name, backend.endpoint});
    }
    if (!gone.empty()) lead_on_unanswered(*engine_, gone);
}

void Serving::check_health() {
    const auto watched = health_.watch(*configured_, engine_->abilities(), events_);
    if (!watched) spdlog::warn(watched.error().message);
    health_.tell_what_is_over(services(), events_);
}

// And of what the engine cannot do with what they stand for, unless it could not do so before.
void Serving::tell_of_names(const Ruleset& before) {
    names_.tell_changes(events_);
    std::set<std::string> known;
    for (const Gap& gap : engine_->gaps(before)) known.insert(gap.service + ": " + gap.message);
    for (const Gap& gap : engine_->gaps(configured_->ruleset)) {
        if (!known.contains(gap.service + ": " + gap.message)) events_.tell(gap_event(engine_->name(), gap));
    }
}

// With what stood before, or null: of those that are not served.
void Serving::tell_of_links(const Topology* before) {
    for (const Event& event : link_events(services(), before, configured_->topology)) events_.tell(event);
    absent_.become(absent_remarks(services(), configured_->topology, engine_->abilities()));
}

}  // namespace hairpin
