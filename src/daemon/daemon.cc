#include "daemon/daemon.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <optional>
#include <stdexcept>

#include "base/log.h"
#include "daemon/api.h"
#include "daemon/calls.h"
#include "daemon/engine_choice.h"
#include "daemon/events.h"
#include "daemon/judgement.h"
#include "daemon/loads.h"
#include "daemon/memory.h"
#include "daemon/process.h"
#include "daemon/serving.h"
#include "daemon/succession.h"
#include "daemon/wording.h"
#include "model/listen_links.h"
#include "net/netlink_topology.h"

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

constexpr std::string_view stops = "the gateway is being stopped";

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

// Every reason is in the log; who asks later on finds them all in the status.
Event refusal_event(std::string_view serves, const std::vector<std::string>& reasons) {
    constexpr size_t most_told = 8;
    return {
        .kind = EventKind::reload_refused,
        .level = Event::Level::error,
        .message = fmt::format("reload refused: {}; still serving {}", in_short(reasons), serves),
        .reasons = {reasons.begin(), reasons.begin() + static_cast<ptrdiff_t>(std::min(reasons.size(), most_told))}};
}

class Daemon {
public:
    explicit Daemon(const DaemonOptions& options) : options_(options) {}
    ~Daemon() { calls_.close(); }  // the API may be waiting for an answer

    int run() {
        if (const int status = start(); status != ok) return status;
        give_back_memory();
        auto tend_at = steady_clock::now() + tend_interval_;
        for (;;) {
            const auto follow_at = serving_.follow();
            api_->wake_streams();
            if (steady_clock::now() >= tend_at) {
                tend();
                tend_at = steady_clock::now() + tend_interval_;
            }
            const auto signal = wait_for_signal(time_until(std::min(tend_at, follow_at.value_or(tend_at))));
            if (!signal) continue;
            if (signal == SIGQUIT && next_takes_over()) return leave();
            if (asks_to_stop(*signal)) return stop(*signal);
            if (signal == SIGHUP) hang_up();
            if (signal == SIGUSR1) within_memory("SIGUSR1", [this] { serving_.log_stats(); });
            if (signal == SIGUSR2) {
                calls_.answer();
                if (successor_) return retire();
                if (!serving_.engine()) return failed;
                serving_.look();
            }
            if (signal == SIGIO) serving_.follow_network();
        }
    }

private:
    int start() {
        const int status = begin();
        if (status != ok && predecessor_) {
            loads_.refuse();
            predecessor_->tell_that_we_cannot(in_short(loads_.refused()->reasons));
        }
        return status;
    }

    int begin() {
        const auto began = steady_clock::now();
        take_signals();
        start_log();
        if (const auto raised = raise_descriptor_limit(); !raised) spdlog::warn(raised.error().message);

        auto predecessor = Predecessor::of_this_process();
        if (!predecessor) return cannot(predecessor.error());
        predecessor_ = *std::move(predecessor);
        const auto inherited = predecessor_ ? predecessor_->sockets() : nullptr;
        const Config config = options_.load();
        if (const auto watched = serving_.watch_network(); !watched) return cannot(watched.error());
        const Result<Topology> topology = read_topology();
        if (!topology) return cannot(topology.error());
        auto services = follow_links(config.services, *topology);
        if (!loads_.holds(faults(config, services, *topology))) return refused;
        if (const auto queued = queue_log(); !queued) return cannot(queued.error());

        const Ruleset written(std::move(services));
        // First: an engine in the kernel serves on where we end, and takes over from the one that answers there.
        auto api = Api::open(config.settings.api, calls_, inherited.get());
        if (!api) return cannot(api.error());
        api_ = *std::move(api);
        const auto prepared = serving_.prepare(config, *topology, api_->path());
        if (!prepared) return cannot(prepared.error());
        if (const auto free = predecessor_ ? ask_predecessor(written) : Result<>(); !free) return cannot(free.error());
        if (const auto chosen = serving_.choose_engine(written, inherited); !chosen) return cannot(chosen.error());
        if (!loads_.holds(fatal_gaps(config, *serving_.engine(), written))) return refused;
        if (const auto begun = serving_.begin(written); !begun) return cannot(begun.error());
        loads_.accept(config.origin);
        if (const auto served = api_->serve([this] { return gateway(); }); !served) return cannot(served.error());

        const std::string serves = extent(serving_.ruleset());
        tell(EventKind::ready,
             fmt::format("ready: {}, engine {}, {} ms", serves, serving_.engine()->name(), since(began).count()));
        notify_systemd("READY=1\nSTATUS=serving " + serves);
        if (predecessor_) predecessor_->tell_that_we_serve();
        predecessor_.reset();
        return ok;
    }

    int cannot(const Error& error) {
        loads_.holds({error.message});
        return failed;
    }

    // It goes on if we end here: so first whether we could begin at all, as far as that can be told.
    Result<> ask_predecessor(const Ruleset& written) {
        if (auto can = serving_.can_begin(written); !can) return can;
        return predecessor_->ask_to_begin();
    }

    // As the API sees us.
    Gateway gateway() {
        // Who asked while the other one began is answered here, but not served. Status 503.
        if (successor_ || !serving_.engine()) throw std::runtime_error("another process serves by now: ask again");
        Gateway seen = serving_.gateway(loads_, started_);
        if (options_.reloadable) seen.reload = [this] { return reload(); };
        seen.upgrade = [this] { return upgrade(); };
        if (stopping_) {
            seen.administer = [](auto&&...) { return Error{std::string(stops)}; };
            seen.stopping = [this] {
                return fmt::format("{}: no new connections; {} may finish", stops,
                                   count(serving_.active(), "live one"));
            };
        }
        return seen;
    }

    // Systemd hears that we live only where the engine's care has come to an end.
    void tend() {
        serving_.tend();
        if (watchdog_) notify_systemd("WATCHDOG=1");
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
        if (stopping_) return {{std::string(stops)}, "what lives, and nothing new"};
        notify_reloading();
        const auto began = steady_clock::now();
        std::optional<milliseconds> applied;
        loads_.begin();
        within_memory("reload", [&] { applied = replace(); });
        const std::string serves = extent(serving_.ruleset());
        if (applied) {
            tell(EventKind::reloaded, fmt::format("reloaded: {}, {} ms, of which the engine took {} ms", serves,
                                                  since(began).count(), applied->count()));
        } else {
            loads_.refuse();
            events_.tell(refusal_event(serves, loads_.refused()->reasons));
        }
        notify_systemd("READY=1\nSTATUS=serving " + serves);
        give_back_memory();
        return {loads_.refused() ? loads_.refused()->reasons : std::vector<std::string>(), serves};
    }

    // Serves what the configuration says now; how long the engine took. If it cannot, says why and changes nothing.
    std::optional<milliseconds> replace() {
        const Config config = options_.load();
        const Result<Topology> topology = read_topology();
        if (!topology) return refuse(topology.error());
        auto services = follow_links(config.services, *topology);
        if (!loads_.holds(faults(config, services, *topology))) return std::nullopt;
        const Ruleset written(std::move(services));
        if (!loads_.holds(fatal_gaps(config, *serving_.engine(), written))) return std::nullopt;
        const auto took = serving_.replace(config, *topology, written);
        if (!took) return refuse(took.error());
        loads_.accept(config.origin);
        return *took;
    }

    std::nullopt_t refuse(const Error& error) {
        loads_.holds({error.message});
        return std::nullopt;
    }

    // The next daemon, of a newer version perhaps, serves in our place from now on; where it does not come to that, we
    // serve on. Which process that is.
    Result<pid_t> upgrade() {
        if (stopping_) return Error{std::string(stops)};
        tell(EventKind::upgrade_begun, "upgrade: the program's file is started anew");
        auto next = start_next();
        if (!next) {
            events_.tell({.kind = EventKind::upgrade_failed,
                          .level = Event::Level::error,
                          .message = next.error().within("upgrade failed, this process serves on").message,
                          .reason = next.error().message});
        }
        return next;
    }

    Result<pid_t> start_next() {
        Engine& engine = *serving_.engine();
        if (next_engine(options_.load(), serving_.topology(), engine) != engine.name()) {
            return Error{"the configuration has another engine by now: that takes `systemctl restart hairpin`"};
        }
        std::vector<int> sockets = engine.listening_sockets();
        for (const int socket : api_->listening_sockets()) sockets.push_back(socket);
        auto successor = Successor::start(program_, sockets);
        if (!successor) return successor.error();
        if (const auto asked = successor->wait_for_its_question(); !asked) return asked.error();
        tend();
        serving_.let_go();
        if (const auto serves = successor->let_begin(); !serves) {
            serving_.take_again();
            return serves.error();
        }
        successor_ = *std::move(successor);
        return successor_->pid();
    }

    // Whether the kernel can go on without us. Not for a daemon that will have another engine; and where the next one
    // will refuse its configuration, better than nobody.
    bool next_takes_over() {
        const Engine& engine = *serving_.engine();
        return takes_over(next_engine(options_.load(), serving_.topology(), engine), engine);
    }

    // The next one takes over: no connection notices.
    int leave() {
        tell(EventKind::stopping, "SIGQUIT: ended; the kernel goes on for the next one, or until `hairpin clear`");
        notify_systemd("STOPPING=1");
        return ok;
    }

    // Another one serves. What lives here goes on until it ends by itself, or we are told to stop.
    int retire() {
        tell(EventKind::upgraded, fmt::format("upgraded: process {} serves from now on", successor_->pid()));
        notify_systemd(fmt::format("MAINPID={}", successor_->pid()));
        stopping_ = true;
        calls_.close();
        if (serving_.engine()) serving_.engine()->stop_listening();
        api_->hand_over();  // only then does who ordered it hear that it is done
        if (!serving_.engine()) return ok;
        serving_.stop_checking();
        drain(serving_.active(), last_answers);  // datagrams that backends owe to clients
        if (const auto applied = serving_.serve_nothing(); !applied) return fail(applied.error());
        const uint64_t before = serving_.active();
        spdlog::info("{} on in this process until the last one ends",
                     before == 1 ? "1 live connection goes" : fmt::format("{} live connections go", before));
        if (!told_to_stop_) drain(before, for_ever);
        const milliseconds drain_timeout = serving_.settings().drain_timeout;
        const uint64_t cut = drain(serving_.active(), told_to_stop_ ? drain_timeout : milliseconds(0));
        spdlog::info("ended after the upgrade: {} finished, {} cut", before - std::min(before, cut), cut);
        return ok;
    }

    int stop(int signal) {
        stopping_ = true;
        serving_.stop_checking();
        const milliseconds drain_timeout = serving_.settings().drain_timeout;
        const uint64_t elsewhere = serving_.end_retired(steady_clock::now() + drain_timeout);
        Engine& engine = *serving_.engine();
        if (const auto applied = serving_.serve_nothing(); !applied) {
            (void)engine.clear();
            return fail(applied.error());
        }
        const uint64_t before = serving_.active();
        tell(EventKind::stopping,
             fmt::format("{}: no new connections; {} may finish within {}{}", signal_name(signal),
                         count(before, "live one"), span(drain_timeout),
                         elsewhere > 0 ? fmt::format(", and {} in earlier processes", elsewhere) : ""));
        notify_systemd(fmt::format("STOPPING=1\nEXTEND_TIMEOUT_USEC={}\nSTATUS=waiting for {}",
                                   std::chrono::microseconds(drain_timeout + stop_takes).count(),
                                   count(before, "live connection")));

        const uint64_t cut = drain(before, drain_timeout);
        if (told_to_stop_) serving_.end_retired(steady_clock::now());
        if (const auto cleared = engine.clear(); !cleared) spdlog::warn(cleared.error().message);
        tell(EventKind::stopped, fmt::format("stopped: {} finished, {} cut", before - std::min(before, cut), cut));
        return ok;
    }

    // Waits until no connection is left, the time is over or the operator insists; the number of those still alive.
    uint64_t drain(uint64_t alive, milliseconds limit) {
        const auto deadline = steady_clock::now() + limit;
        milliseconds pause = shortest_pause;
        auto next_care = steady_clock::now();
        while (alive > 0 && steady_clock::now() < std::min(deadline, serving_.ends_by().value_or(deadline))) {
            api_->wake_streams();
            const auto signal = wait_for_signal(std::min(time_until(deadline), pause));
            if (signal && asks_to_stop(*signal)) {
                told_to_stop_ = true;
                break;
            }
            if (signal == SIGUSR1) serving_.log_stats();
            if (signal == SIGUSR2) calls_.answer();
            if (steady_clock::now() >= next_care) {
                tend();
                next_care = steady_clock::now() + tend_interval_;
            }
            const auto began = steady_clock::now();
            alive = serving_.active();
            pause = std::max(shortest_pause, pauses_for_one_look * since(began));
        }
        return alive;
    }

    void tell(EventKind kind, std::string message) { events_.tell({.kind = kind, .message = std::move(message)}); }

    const DaemonOptions& options_;
    const std::optional<milliseconds> watchdog_ = watchdog_interval();
    const milliseconds tend_interval_ = std::min(tend_interval, watchdog_.value_or(tend_interval));
    const steady_clock::time_point started_ = steady_clock::now();
    const CommandLine program_ = CommandLine::of_this_process();
    std::unique_ptr<Predecessor> predecessor_;  // until we serve in its place
    std::optional<Successor> successor_;        // from then on it serves
    bool stopping_ = false;
    bool told_to_stop_ = false;  // while draining
    Loads loads_;
    Events events_;
    Serving serving_{events_};
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
