#include "daemon/daemon.h"

#include <malloc.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <new>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <stdexcept>

#include "base/log.h"
#include "daemon/administration.h"
#include "daemon/advice.h"
#include "daemon/api.h"
#include "daemon/backend_discovery.h"
#include "daemon/backend_health.h"
#include "daemon/calls.h"
#include "daemon/departures.h"
#include "daemon/desired.h"
#include "daemon/judgement.h"
#include "daemon/link_report.h"
#include "daemon/loads.h"
#include "daemon/process.h"
#include "daemon/stats_json.h"
#include "daemon/status.h"
#include "daemon/succession.h"
#include "daemon/wording.h"
#include "engines/registry.h"
#include "model/as_written.h"
#include "model/listen_links.h"
#include "net/netlink_topology.h"
#include "net/topology_watch.h"

namespace hairpin {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int ok = 0;
constexpr int failed = 1;
constexpr int refused = 2;

// While draining, the engine is asked again after a pause: the longer, the longer it took to answer.
constexpr milliseconds shortest_pause{50};
constexpr int pauses_for_one_look = 4;
constexpr milliseconds tend_interval{1000};

// After an upgrade.
constexpr milliseconds last_answers{1000};
constexpr milliseconds for_ever = std::chrono::hours(24 * 365 * 10);

// How much longer than drain_timeout a stop may take, as systemd is told.
constexpr milliseconds stop_takes{10'000};

// Changes of the network come in bursts: wait for a pause, but not for ever.
constexpr milliseconds network_is_quiet{50};
constexpr milliseconds network_settles{1000};

// Backends go down together, as those of one host do, and names are asked for together: what comes within this time is
// one change for the engine.
constexpr milliseconds backends_settle{50};
constexpr milliseconds until_another_try{1000};

constexpr std::string_view stops = "the gateway is being stopped";

void log_event(const Event& event) {
    const auto level = event.level == Event::Level::warning ? spdlog::level::warn : spdlog::level::info;
    spdlog::log(level, event.message);
}

milliseconds time_until(steady_clock::time_point moment) {
    return std::max(milliseconds(0), std::chrono::ceil<milliseconds>(moment - steady_clock::now()));
}

bool asks_to_stop(int signal) { return signal == SIGTERM || signal == SIGINT || signal == SIGQUIT; }

milliseconds since(steady_clock::time_point began) {
    return std::chrono::duration_cast<milliseconds>(steady_clock::now() - began);
}

int fail(const Error& error) {
    spdlog::error(error.message);
    return failed;
}

std::shared_ptr<const Desired> configured_as(std::vector<Service> services, Topology topology) {
    return std::make_shared<const Desired>(Desired{Ruleset(std::move(services)), std::move(topology)});
}

// A change for which there is no memory does not happen. That is no reason to end what is served.
void within_memory(std::string_view what, const std::function<void()>& work) {
    try {
        work();
    } catch (const std::bad_alloc&) {
        spdlog::error("{} refused: out of memory", what);
    }
}

// A configuration of many services takes several times the memory that it leaves in use.
void give_back_memory() { malloc_trim(0); }

class Daemon {
public:
    explicit Daemon(const DaemonOptions& options) : options_(options) {}
    ~Daemon() { calls_.close(); }  // the API may be waiting for an answer

    int run() {
        if (const int status = start(); status != ok) return status;
        give_back_memory();
        auto tend_at = steady_clock::now() + tend_interval_;
        for (;;) {
            const auto signal = wait_for_signal(
                time_until(std::min({tend_at, follow_health_at_.value_or(tend_at), follow_names_at_.value_or(tend_at),
                                     serve_here_at_.value_or(tend_at)})));
            if (serve_here_at_ && steady_clock::now() >= *serve_here_at_) {
                within_memory("a change of the network", [this] { serve_here(); });
            }
            if (follow_health_at_ && steady_clock::now() >= *follow_health_at_) {
                within_memory("a change of health", [this] { follow_health(); });
            }
            if (follow_names_at_ && steady_clock::now() >= *follow_names_at_) {
                within_memory("a change of names", [this] { follow_names(); });
            }
            if (steady_clock::now() >= tend_at) {
                tend();
                tend_at = steady_clock::now() + tend_interval_;
            }
            if (!signal) continue;
            if (signal == SIGQUIT && next_takes_over()) return leave();
            if (asks_to_stop(*signal)) return stop(*signal);
            if (signal == SIGHUP) hang_up();
            if (signal == SIGUSR1) within_memory("SIGUSR1", [this] { log_stats(); });
            if (signal == SIGUSR2) {
                calls_.answer();
                if (successor_) return retire();
                if (!engine_) return failed;
                if (health_.changed() && !follow_health_at_) follow_health_at_ = steady_clock::now() + backends_settle;
                if (names_.changed() && !follow_names_at_) follow_names_at_ = steady_clock::now() + backends_settle;
            }
            if (signal == SIGIO) {
                within_memory("a change of the network", [this] { follow_network(); });
                give_back_memory();
            }
        }
    }

private:
    int start() {
        const auto began = steady_clock::now();
        take_signals();
        start_log();
        if (const auto raised = raise_descriptor_limit(); !raised) spdlog::warn(raised.error().message);

        auto predecessor = Predecessor::of_this_process();
        if (!predecessor) return fail(predecessor.error());
        predecessor_ = *std::move(predecessor);
        const Config config = options_.load();
        if (auto watch = TopologyWatch::open())
            watch_ = std::move(*watch);
        else
            return fail(watch.error());
        const Result<Topology> topology = read_topology();
        if (!topology) return fail(topology.error());
        if (!loads_.holds(faults(config, *topology))) return refused;

        settings_ = config.settings;
        if (const auto queued = queue_log(); !queued) return fail(queued.error());
        if (const auto asked = names_.watch(config.services, settings_.resolvers); !asked) return fail(asked.error());
        names_.wait_for_first_answers();
        const Ruleset written(follow_links(config.services, *topology));
        configured_ = standing(config.services, *topology);
        desired_ = desire(configured_, administration_);
        // First: an engine in the kernel serves on where we end, and takes over from the one that answers there.
        auto api = Api::open(settings_.api, calls_, predecessor_ ? predecessor_->sockets().get() : nullptr);
        if (!api) return fail(api.error());
        api_ = *std::move(api);
        if (const auto free = predecessor_ ? ask_predecessor(written) : Result<>(); !free) return fail(free.error());
        if (const auto chosen = choose_engine(written); !chosen) return fail(chosen.error());
        if (!loads_.holds(fatal_gaps(config, *engine_, written))) return refused;
        if (settings_.engine != automatic_engine) {
            if (const auto begun = begin(*engine_); !begun) return fail(begun.error());
        }
        if (const auto watched = health_.watch(services()); !watched) return fail(watched.error());
        loads_.accept(config.origin);
        if (const auto served = api_->serve([this] { return gateway(); }); !served) return fail(served.error());

        warn_of_traces(*engine_);
        advise(*engine_, desired_->ruleset);
        tell_of_links(nullptr);
        tell_of_names(written);
        spdlog::info("ready: {}, engine {}, {} ms", extent(desired_->ruleset), engine_->name(), since(began).count());
        notify_systemd("READY=1\nSTATUS=serving " + extent(desired_->ruleset));
        if (predecessor_) predecessor_->tell_that_we_serve();
        predecessor_.reset();
        return ok;
    }

    // It goes on if we end here: so first whether we could begin at all, as far as that can be told.
    Result<> ask_predecessor(const Ruleset& written) {
        const auto can = select_engine(settings_.engine, {.set_sysctls = settings_.set_sysctls}, written,
                                       [this](Engine& engine) { return engine.check(*desired_); });
        if (!can) return can.error();
        if (auto allowed = can->engine->check(*desired_); !allowed) return allowed;
        return predecessor_->ask_to_begin();
    }

    // As the API sees us.
    Gateway gateway() {
        if (!engine_) throw std::runtime_error("another process serves by now: ask again");  // status 503
        Gateway seen{*engine_, health_, names_, *configured_, *desired_, loads_, started_};
        if (options_.reloadable) seen.reload = [this] { return reload(); };
        seen.administer = [this](Order order, const std::vector<ServiceBackend>& names, const std::string& who) {
            return administer(order, names, who);
        };
        seen.network_failure = network_failure_;
        seen.upgrade = [this] { return upgrade(); };
        return seen;
    }

    // What a failed attempt has set is put back, but not what an earlier daemon left.
    Result<> begin(Engine& engine) {
        const bool adopts = engine.has_traces();
        auto applied = engine.apply(desired_);
        if (!applied && !adopts) (void)engine.clear();
        return applied;
    }

    // With `auto` an engine is taken only if it does serve: it has begun then.
    Result<> choose_engine(const Ruleset& written) {
        const EngineOptions options{.threads = settings_.threads,
                                    .set_sysctls = settings_.set_sysctls,
                                    .on_event = log_event,
                                    .inherited = predecessor_ ? predecessor_->sockets() : nullptr};
        auto selected = select_engine(settings_.engine, options, written, [this](Engine& engine) -> Result<> {
            auto allowed = engine.check(*desired_);
            return allowed ? begin(engine) : allowed;
        });
        if (!selected) return selected.error();
        engine_ = std::move(selected->engine);
        for (const std::string& why : selected->passed_over) spdlog::info("engine auto: not {}", why);
        return {};
    }

    // Systemd hears that we live only where the engine's care has come to an end.
    void tend() {
        within_memory("the engine's care", [this] {
            engine_->tend();
            departures_.end_due(*engine_, steady_clock::now());
        });
        if (watchdog_) notify_systemd("WATCHDOG=1");
    }

    // The next daemon, of a newer version perhaps, serves in our place from now on; where it does not come to that, we
    // serve on. Which process that is.
    Result<pid_t> upgrade() {
        if (stopping_) return Error{std::string(stops)};
        const auto next = next_engine();
        if (next != engine_->name()) {
            return Error{"the configuration has another engine by now: that takes `systemctl restart hairpin`"};
        }
        std::vector<int> sockets = engine_->listening_sockets();
        for (const int socket : api_->listening_sockets()) sockets.push_back(socket);
        auto successor = Successor::start(program_, sockets);
        if (!successor) return successor.error();
        if (const auto asked = successor->wait_for_its_question(); !asked) return asked.error();
        tend();
        const bool in_kernel = is_in_kernel();
        if (in_kernel) engine_.reset();  // there can be only one
        if (const auto serves = successor->let_begin(); !serves) {
            if (in_kernel) serve_again();
            return serves.error();
        }
        successor_ = *std::move(successor);
        return successor_->pid();
    }

    // What the kernel holds is taken over, as it is from a daemon that was killed. Failing that, engine_ is null.
    void serve_again() {
        auto chosen = choose_engine(configured_->ruleset);
        if (chosen && settings_.engine != automatic_engine) chosen = begin(*engine_);
        if (chosen) return;
        spdlog::error(chosen.error().message);
        engine_.reset();
    }

    bool is_in_kernel() const { return !find_engine(engine_->name())->kernel_state.empty(); }

    // Whether the kernel can go on without us. Not for a daemon that will have another engine; and where the next one
    // will refuse its configuration, better than nobody.
    bool next_takes_over() const {
        return is_in_kernel() && find_engine(next_engine())->kernel_state == find_engine(engine_->name())->kernel_state;
    }

    // That the configuration leads to by now; ours where that cannot be told.
    std::string next_engine() const {
        std::string ours(engine_->name());
        const Config config = options_.load();
        if (!config.errors.empty()) return ours;
        const auto next =
            select_engine(config.settings.engine, {}, Ruleset(follow_links(config.services, configured_->topology)),
                          [](Engine&) { return Result<>(); });
        return next ? std::string(next->engine->name()) : ours;
    }

    void hang_up() {
        if (options_.reloadable) {
            reload();
        } else {
            spdlog::info("SIGHUP: {}", nothing_to_reload);
        }
    }

    // As SIGHUP asks for. Precondition: options_.reloadable.
    Reload reload() {
        if (stopping_) return {{std::string(stops)}, "nothing new"};
        notify_reloading();
        const auto began = steady_clock::now();
        std::optional<milliseconds> applied;
        loads_.begin();
        within_memory("reload", [&] { applied = replace(); });
        if (const auto asked = names_.watch(services(), settings_.resolvers); !asked) {
            spdlog::warn(asked.error().message);
        }
        const std::string serving = extent(desired_->ruleset);
        if (applied) {
            spdlog::info("reloaded: {}, {} ms, of which the engine took {} ms", serving, since(began).count(),
                         applied->count());
        } else {
            loads_.refuse();
            spdlog::error("reload refused: still serving {}", serving);
        }
        notify_systemd("READY=1\nSTATUS=serving " + serving);
        give_back_memory();
        return {loads_.refused() ? loads_.refused()->reasons : std::vector<std::string>(), serving};
    }

    // Serves what the configuration says now; how long the engine took. If it cannot, says why and changes nothing.
    std::optional<milliseconds> replace() {
        const Config config = options_.load();
        const Result<Topology> topology = read_topology();
        if (!topology) return refuse(topology.error());
        if (!loads_.holds(faults(config, *topology))) return std::nullopt;
        const Ruleset written(follow_links(config.services, *topology));
        if (!loads_.holds(fatal_gaps(config, *engine_, written))) return std::nullopt;
        if (const auto asked = ask_for_both(config); !asked) return refuse(asked.error());
        const auto began = steady_clock::now();
        auto configured = standing(config.services, *topology);
        Administration administration = administration_;
        administration.keep(configured->ruleset.services());
        const auto before = configured_;
        const auto applied = serve(std::move(configured), std::move(administration));
        if (!applied) return refuse(applied.error());
        const milliseconds took = since(began);
        loads_.accept(config.origin);
        departures_.follow(before->ruleset.services(), services(), administration_, steady_clock::now());

        if (const auto watched = health_.watch(services()); !watched) spdlog::warn(watched.error().message);
        tell_of_links(nullptr);
        tell_of_names(written);
        settings_.drain_timeout = config.settings.drain_timeout;
        settings_.resolvers = config.settings.resolvers;
        if (config.settings != settings_) {
            spdlog::warn("a change of engine, threads, sysctls or api needs a restart: `systemctl restart hairpin`");
        }
        return took;
    }

    // The names of what is served and of what may be: if that is refused, nothing is forgotten of the former.
    Result<> ask_for_both(const Config& config) {
        std::vector<Service> both = services();
        both.insert(both.end(), config.services.begin(), config.services.end());
        auto asked = names_.watch(both, config.settings.resolvers);
        names_.wait_for_first_answers();
        return asked;
    }

    // The services where links and names stand now, but for what is wrong with these just here and now.
    // Of that, what has not been said before is logged.
    std::shared_ptr<const Desired> standing(std::vector<Service> services, Topology topology) {
        auto now = names_.follow(follow_links(std::move(services), topology));
        const std::vector<Problem> problems = validate(now, &topology);
        std::set<std::string> wrong;
        for (const Problem& problem : problems) {
            wrong.insert("service " + now[problem.place.service].name + ": " + problem.message);
        }
        for (const std::string& text : wrong) {
            if (!wrong_here_.contains(text)) spdlog::warn("as things stand: {}", text);
        }
        wrong_here_ = std::move(wrong);
        return configured_as(without(std::move(now), problems), std::move(topology));
    }

    std::shared_ptr<const Desired> desire(const std::shared_ptr<const Desired>& configured,
                                          const Administration& administration) const {
        const auto is_up = [this](const Service& service, const Backend& backend) {
            return health_.is_up(service, backend);
        };
        return make_desired(configured, is_up, administration);
    }

    // Has the engine serve this, but for backends that are down or taken out. If it cannot, nothing has changed.
    Result<> serve(std::shared_ptr<const Desired> configured, Administration administration) {
        auto desired = desire(configured, administration);
        if (auto applied = engine_->apply(desired); !applied) return applied;
        configured_ = std::move(configured);
        desired_ = std::move(desired);
        administration_ = std::move(administration);
        return {};
    }

    // An operator takes backends out, or brings them back. If the engine cannot, nothing has changed.
    Result<> administer(Order order, const std::vector<ServiceBackend>& names, const std::string& who) {
        if (stopping_) return Error{std::string(stops)};
        Administration administration = administration_;
        for (const ServiceBackend& name : names) administration.carry_out(order, name);
        if (auto applied = serve(configured_, std::move(administration)); !applied) return applied;
        for (const ServiceBackend& name : names) {
            const Duty duty = administration_.duty(name);
            const auto service = std::ranges::find(services(), name.service, &Service::name);
            spdlog::info("{} is {} ({}): {} asked for that", name.str(), hairpin::name(duty), hairpin::name(order),
                         who);
            departures_.follow(duty, name, *service, steady_clock::now());
            health_.log_panic(*service);
        }
        if (const auto watched = health_.watch(services()); !watched) spdlog::warn(watched.error().message);
        departures_.end_due(*engine_, steady_clock::now());
        return {};
    }

    // Names stand for something else, or cannot be resolved, or can again.
    void follow_names() {
        follow_names_at_ = steady_clock::now() + until_another_try;  // unless this one succeeds
        const auto before = configured_;
        auto now = standing(services(), configured_->topology);
        if (now->ruleset.services() != services()) {
            const auto applied = serve(std::move(now), administration_);
            if (!applied) return spdlog::warn(applied.error().within("a change of names").message);
            departures_.follow(before->ruleset.services(), services(), administration_, steady_clock::now());
            if (const auto watched = health_.watch(services()); !watched) spdlog::warn(watched.error().message);
        }
        follow_names_at_.reset();
        tell_of_names(before->ruleset);
    }

    // And of what the engine cannot do with what they stand for, unless it could not do so before.
    void tell_of_names(const Ruleset& before) {
        names_.log_changes();
        std::set<std::string> known;
        for (const Gap& gap : engine_->gaps(before)) known.insert(gap.service + ": " + gap.message);
        for (const Gap& gap : engine_->gaps(configured_->ruleset)) {
            const std::string text = gap.service + ": " + gap.message;
            if (!known.contains(text)) spdlog::warn("engine {}: service {}", engine_->name(), text);
        }
    }

    // Backends went up or down.
    void follow_health() {
        follow_health_at_ = steady_clock::now() + until_another_try;  // unless this one succeeds
        health_.log_changes(services());
        const auto applied = serve(configured_, administration_);
        if (!applied) return spdlog::warn(applied.error().within("a change of health").message);
        follow_health_at_.reset();
    }

    std::nullopt_t refuse(const Error& error) {
        loads_.holds({error.message});
        return std::nullopt;
    }

    // The gateway's addresses or routes have changed.
    void follow_network() {
        if (!watch_->changed()) return;
        const auto deadline = steady_clock::now() + network_settles;
        while (watch_->changed(network_is_quiet) && steady_clock::now() < deadline) {
        }
        serve_here();
    }

    // The same services, where the gateway stands now. Where that fails it is tried again, and told of once.
    void serve_here() {
        const auto moved = move_to(read_topology());
        if (!moved && moved.error().message != network_failure_) spdlog::warn(moved.error().message);
        network_failure_ = moved ? "" : moved.error().message;
        serve_here_at_.reset();
        if (!moved) serve_here_at_ = steady_clock::now() + until_another_try;
    }

    Result<> move_to(const Result<Topology>& topology) {
        if (!topology) return topology.error();
        if (*topology == desired_->topology) return {};
        const auto before = configured_;
        if (auto applied = serve(standing(services(), *topology), administration_); !applied) return applied;
        tell_of_links(&before->topology);
        spdlog::info("the network changed: {} addresses, {} routes", desired_->topology.addresses().size(),
                     desired_->topology.routes().size());
        return {};
    }

    // With what stood before, or null: of those that are not served.
    void tell_of_links(const Topology* before) {
        for (const Event& event : link_events(services(), before, configured_->topology)) log_event(event);
    }

    const std::vector<Service>& services() const { return configured_->ruleset.services(); }

    void log_stats() {
        health_.log_backends(services(), desired_->ruleset.services());
        const Result<Stats> stats = engine_->stats();
        if (!stats) return spdlog::warn(stats.error().message);
        for (const ServiceStats& service : stats->services) spdlog::info("stats {}", to_json(service).dump());
    }

    // The next one takes over: no connection notices.
    static int leave() {
        spdlog::info("SIGQUIT: ended; the kernel goes on for the next one, or until `hairpin clear`");
        notify_systemd("STOPPING=1");
        return ok;
    }

    // Another one serves. What lives here goes on until it ends by itself, or we are told to stop.
    int retire() {
        spdlog::info("upgraded: process {} serves from now on", successor_->pid());
        notify_systemd(fmt::format("MAINPID={}", successor_->pid()));
        stopping_ = true;
        calls_.close();
        api_->hand_over();
        if (!engine_) return ok;
        (void)health_.watch({});
        engine_->stop_listening();
        drain(active(), last_answers);  // datagrams that backends owe to clients
        if (const auto applied = engine_->apply(nothing()); !applied) return fail(applied.error());
        const uint64_t before = active();
        spdlog::info("{} on in this process until the last one ends",
                     before == 1 ? "1 live connection goes" : fmt::format("{} live connections go", before));
        if (!told_to_stop_) drain(before, for_ever);
        const uint64_t cut = drain(active(), settings_.drain_timeout);
        spdlog::info("ended after the upgrade: {} finished, {} cut", before - std::min(before, cut), cut);
        return ok;
    }

    std::shared_ptr<const Desired> nothing() const {
        return std::make_shared<const Desired>(Desired{Ruleset{}, desired_->topology});
    }

    int stop(int signal) {
        stopping_ = true;
        (void)health_.watch({});
        if (const auto applied = engine_->apply(nothing()); !applied) {
            (void)engine_->clear();
            return fail(applied.error());
        }
        const uint64_t before = active();
        spdlog::info("{}: no new connections; {} may finish within {}", signal_name(signal), count(before, "live one"),
                     span(settings_.drain_timeout));
        notify_systemd(fmt::format("STOPPING=1\nEXTEND_TIMEOUT_USEC={}\nSTATUS=waiting for {}",
                                   std::chrono::microseconds(settings_.drain_timeout + stop_takes).count(),
                                   count(before, "live connection")));

        const uint64_t cut = drain(before, settings_.drain_timeout);
        if (const auto cleared = engine_->clear(); !cleared) spdlog::warn(cleared.error().message);
        spdlog::info("stopped: {} finished, {} cut", before - std::min(before, cut), cut);
        return ok;
    }

    // Waits until no connection is left, the time is over or the operator insists; the number of those still alive.
    uint64_t drain(uint64_t alive, milliseconds limit) {
        const auto deadline = steady_clock::now() + limit;
        milliseconds pause = shortest_pause;
        auto next_care = steady_clock::now();
        while (alive > 0 && steady_clock::now() < deadline) {
            const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
            const auto signal = wait_for_signal(std::clamp(left, milliseconds{0}, pause));
            if (signal && asks_to_stop(*signal)) {
                told_to_stop_ = true;
                break;
            }
            if (signal == SIGUSR1) log_stats();
            if (signal == SIGUSR2) calls_.answer();
            const auto began = steady_clock::now();
            if (began >= next_care) {
                tend();
                next_care = began + tend_interval_;
            }
            alive = active();
            pause = std::max(shortest_pause, pauses_for_one_look * since(began));
        }
        return alive;
    }

    // Connections and sessions alive now.
    uint64_t active() {
        const Result<Stats> stats = engine_->stats();
        uint64_t sum = 0;
        if (stats) {
            for (const ServiceStats& service : stats->services) sum += service.active;
        }
        return sum;
    }

    const DaemonOptions& options_;
    const std::optional<milliseconds> watchdog_ = watchdog_interval();
    const milliseconds tend_interval_ = std::min(tend_interval, watchdog_.value_or(tend_interval));
    const steady_clock::time_point started_ = steady_clock::now();
    const CommandLine program_ = CommandLine::of_this_process();
    std::unique_ptr<Predecessor> predecessor_;  // until we serve in its place
    std::optional<Successor> successor_;        // from then on it serves
    bool told_to_stop_ = false;                 // while draining
    Settings settings_;
    Loads loads_;
    std::optional<TopologyWatch> watch_;
    std::unique_ptr<Engine> engine_;
    std::shared_ptr<const Desired> configured_;  // all backends
    std::shared_ptr<const Desired> desired_;     // what the engine serves: those that take new flows
    Administration administration_;
    Departures departures_;
    BackendHealth health_{[] { kill(getpid(), SIGUSR2); }, administration_};
    std::optional<steady_clock::time_point> follow_health_at_;
    std::optional<steady_clock::time_point> serve_here_at_;  // another try
    std::string network_failure_;                            // of the last one; empty: it succeeded
    bool stopping_ = false;
    std::set<std::string> wrong_here_;  // of links and names, just now
    BackendDiscovery names_{[] { kill(getpid(), SIGUSR2); }};
    std::optional<steady_clock::time_point> follow_names_at_;
    Calls calls_;
    std::unique_ptr<Api> api_;  // last: it uses what stands above
};

}  // namespace

int run_daemon(const DaemonOptions& options) {
    const int status = Daemon(options).run();
    if (!finish_log()) std::_Exit(status);
    return status;
}

}  // namespace hairpin
