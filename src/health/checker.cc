#include "health/checker.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <new>
#include <queue>
#include <system_error>

#include "health/http_probes.h"

namespace hairpin::health {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// A check that finds no place waits for one: its backend stays as it is.
constexpr size_t most_at_once = 1024;
constexpr size_t most_commands = 64;
constexpr milliseconds until_a_place_is_free{50};
constexpr milliseconds until_memory_is_free{100};
constexpr milliseconds until_an_answer{50};

constexpr size_t events_a_batch = 64;
constexpr uint64_t wake_mark = 0;
constexpr uint64_t http_mark = 1ULL << 63;

// Why a backend is down that does not answer a client's address, though it answers ours.
std::string bypass(const CheckOrigin& origin) {
    return "it answers the gateway, but not clients: what it sends to " + origin.address.str() +
           " does not come back through this gateway" + (origin.link.empty() ? "" : " on link " + origin.link) +
           "; its default route, or policy routing, is to lead here";
}

}  // namespace

// The checker's thread. A run is one question of a check of one backend; runs and checks have numbers, by which they
// are found where they still exist: what comes for one that is over finds nothing.
//
// A check asks once; but where one from a client's address meets silence, or cannot even begin, it asks again from
// wherever the route says: whether the backend is dead, or its answers take another way, or it is we who lack
// something.
class Checker::Loop {
public:
    Loop(Checker& checker, Fd epoll, uint32_t seed)
        : checker_(checker), epoll_(std::move(epoll)), generator_(seed), http_(epoll_.get(), http_mark) {}

    void run() {
        pthread_setname_np(pthread_self(), "health");
        while (true) {
            try {
                if (!take_fresh()) return;
                pass_time();
                wait();
            } catch (const std::bad_alloc&) {
                std::this_thread::sleep_for(until_memory_is_free);
            }
        }
    }

private:
    struct Question {
        uint64_t check = 0;
        Clock::time_point since{};         // when the check began, which may ask twice
        std::optional<CheckOrigin> from;   // whence it asks
        std::optional<CheckOrigin> after;  // whence it has met silence
    };
    struct Run {
        Question question;
        CheckKind kind = CheckKind::tcp;
        std::unique_ptr<Probe> probe;  // of HTTP: none, http_ has it
        bool over = false;             // it only waits for its last event
    };
    struct Timer {
        Clock::time_point at;
        enum class Kind { begin, deadline, back } kind;  // of a check; of a run; of a backend where clients have failed
        uint64_t number;

        bool operator>(const Timer& other) const { return at > other.at; }
    };

    // False: the checker ends.
    bool take_fresh() {
        eventfd_t ignored = 0;
        eventfd_read(checker_.wake_.get(), &ignored);
        const std::lock_guard lock(checker_.mutex_);
        for (const uint64_t number : checker_.fresh_) {
            const HealthCheck& how = *checker_.entries_.at(number).target.check;
            if (how.kind == CheckKind::none) continue;
            timers_.push({Clock::now() + until_first(how.interval, generator_), Timer::Kind::begin, number});
        }
        for (const uint64_t number : checker_.failed_) {
            const auto entry = checker_.entries_.find(number);
            if (entry == checker_.entries_.end() || !entry->second.back) continue;
            timers_.push({*entry->second.back, Timer::Kind::back, number});
        }
        checker_.fresh_.clear();
        checker_.failed_.clear();
        return !checker_.stop_;
    }

    void pass_time() {
        const auto now = Clock::now();
        if (http_.wakes_at() && *http_.wakes_at() <= now) {
            http_.wake();
            end_http();
        }
        while (!timers_.empty() && timers_.top().at <= now) {
            const Timer timer = timers_.top();
            timers_.pop();
            if (timer.kind == Timer::Kind::begin) {
                begin(timer.number, now);
            } else if (timer.kind == Timer::Kind::deadline) {
                time_out(timer.number);
            } else if (is_being_asked(timer.number)) {  // its answer says more than time does
                timers_.push({now + until_an_answer, Timer::Kind::back, timer.number});
            } else {
                checker_.bring_back(timer.number, now);
            }
        }
    }

    bool is_being_asked(uint64_t check) const {
        return std::ranges::any_of(
            runs_, [check](const auto& run) { return run.second.question.check == check && !run.second.over; });
    }

    void begin(uint64_t check, Clock::time_point now) {
        const auto target = checker_.target(check);
        if (!target) return;  // no longer wanted
        const HealthCheck& how = *target->check;
        if (runs_.size() >= most_at_once || (how.kind == CheckKind::command && commands_ >= most_commands)) {
            return timers_.push({now + until_a_place_is_free, Timer::Kind::begin, check});
        }
        timers_.push({now + std::max(how.longest(), until_next(how.interval, generator_)), Timer::Kind::begin, check});
        ask({check, now, target->origin, {}}, *target);
    }

    void ask(const Question& question, Target target) {
        const HealthCheck& how = *target.check;
        target.origin = question.from;
        const uint64_t number = next_run_++;
        timers_.push({Clock::now() + how.timeout, Timer::Kind::deadline, number});
        if (how.kind == CheckKind::http || how.kind == CheckKind::https) {
            if (http_.begin(number, target)) runs_[number] = {question, how.kind, nullptr};
            return;  // wait() takes its outcome, if it has one by now
        }
        Begun begun = how.kind == CheckKind::command ? begin_command_probe(target) : begin_socket_probe(target);
        if (!begun.probe) return conclude(question, begun.outcome);
        epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLET, .data = {.u64 = number}};
        if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, begun.probe->fd(), &event) != 0) return;
        if (how.kind == CheckKind::command) ++commands_;
        runs_[number] = {question, how.kind, std::move(begun.probe)};
    }

    // With the answer to a question, or with why there is none.
    void conclude(const Question& question, const Outcome& outcome) {
        const auto took = Clock::now() - question.since;
        if (question.from && outcome.verdict == Outcome::Verdict::undecided) return ask_again(question, {});
        if (question.after && outcome.verdict == Outcome::Verdict::passed) {
            return checker_.record(question.check, Outcome::failed(bypass(*question.after)), took);
        }
        checker_.record(question.check, outcome, took);
    }

    void ask_again(const Question& question, const std::optional<CheckOrigin>& after) {
        const auto target = checker_.target(question.check);
        // The gateway may have lost that address meanwhile, and the answer with it.
        if (target && target->origin == question.from) ask({question.check, question.since, {}, after}, *target);
    }

    void time_out(uint64_t number) {
        advance(number);  // where we were held up, its answer may be here, and not met yet; not over HTTP, whose
                          // library reads
        const auto run = runs_.find(number);
        if (run == runs_.end() || run->second.over) return;
        const Question question = run->second.question;
        const auto target = checker_.target(question.check);
        const bool met = run->second.probe ? run->second.probe->has_met() : http_.has_met(number);
        if (!run->second.probe) http_.end(number);
        run->second.over = true;
        if (!run->second.probe || run->second.probe->stop()) erase(run);
        if (!target) return;
        if (question.from && !met) return ask_again(question, question.from);
        conclude(question,
                 Outcome::failed("no answer within " + std::to_string(target->check->timeout.count()) + " ms"));
    }

    void wait() {
        auto until = timers_.empty() ? Clock::time_point::max() : timers_.top().at;
        if (http_.wakes_at()) until = std::min(until, *http_.wakes_at());
        const bool forever = until == Clock::time_point::max();
        const auto left = forever ? milliseconds(-1) : std::chrono::ceil<milliseconds>(until - Clock::now());
        std::array<epoll_event, events_a_batch> events;
        const int count = epoll_wait(epoll_.get(), events.data(), events_a_batch,
                                     forever ? -1 : static_cast<int>(std::clamp<int64_t>(left.count(), 0, 60'000)));
        for (int i = 0; i < count; ++i) {
            const uint64_t mark = events[static_cast<size_t>(i)].data.u64;
            if (mark & http_mark) {
                http_.on_event(static_cast<int>(mark & ~http_mark), events[static_cast<size_t>(i)].events);
            } else if (mark != wake_mark) {
                advance(mark);
            }
        }
        end_http();
    }

    void advance(uint64_t number) {
        const auto run = runs_.find(number);
        if (run == runs_.end() || !run->second.probe) return;
        const auto outcome = run->second.probe->advance();
        if (!outcome) return;
        const Question question = run->second.question;
        const bool late = run->second.over;
        erase(run);
        if (!late) conclude(question, *outcome);
    }

    void end_http() {
        for (const auto& [number, outcome] : http_.take_outcomes()) {
            const auto run = runs_.find(number);
            if (run == runs_.end()) continue;
            const Question question = run->second.question;
            erase(run);
            conclude(question, outcome);
        }
    }

    void erase(std::unordered_map<uint64_t, Run>::iterator run) {
        if (run->second.kind == CheckKind::command) --commands_;
        runs_.erase(run);
    }

    Checker& checker_;
    const Fd epoll_;
    Generator generator_;
    HttpProbes http_;
    std::priority_queue<Timer, std::vector<Timer>, std::greater<>> timers_;
    std::unordered_map<uint64_t, Run> runs_;
    uint64_t next_run_ = wake_mark + 1;
    size_t commands_ = 0;
};

Result<std::unique_ptr<Checker>> Checker::start(std::function<void()> on_change, uint32_t seed) {
    std::unique_ptr<Checker> checker(new Checker(std::move(on_change)));
    checker->wake_ = Fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    Fd epoll(epoll_create1(EPOLL_CLOEXEC));
    epoll_event event{.events = EPOLLIN, .data = {.u64 = wake_mark}};
    if (!checker->wake_ || !epoll || epoll_ctl(epoll.get(), EPOLL_CTL_ADD, checker->wake_.get(), &event) != 0) {
        return system_error("starting the health checks");
    }
    try {
        auto loop = std::make_shared<Loop>(*checker, std::move(epoll), seed);
        checker->thread_ = std::thread([loop] { loop->run(); });
    } catch (const std::system_error& failure) {
        return system_error("starting the thread of the health checks", failure.code().value());
    }
    return checker;
}

Checker::~Checker() {
    if (!thread_.joinable()) return;
    {
        const std::lock_guard lock(mutex_);
        stop_ = true;
    }
    eventfd_write(wake_.get(), 1);
    thread_.join();
}

void Checker::watch(std::span<const Service> services, const OriginOf& origin_of) {
    {
        const std::lock_guard lock(mutex_);
        std::unordered_map<uint64_t, Entry> entries;
        std::map<Key, uint64_t> numbers;
        std::vector<uint64_t> fresh;
        uint64_t next = next_number_;
        for (const Service& service : services) {
            if (!service.health) continue;
            for (const Backend& backend : service.backends) {
                Key key{service.name, backend.endpoint};
                const auto known = numbers_.find(key);
                const Entry* before = known == numbers_.end() ? nullptr : &entries_.at(known->second);
                const bool same = before && before->target.check == service.health;
                const uint64_t number = same ? known->second : next++;
                Entry& entry = entries[number];
                if (same) entry = *before;
                if (!same) entry.status.since = Clock::now();
                entry.target = {service.name, backend.endpoint, service.health, origin_of(service, backend),
                                service.send_proxy};
                if (!same) fresh.push_back(number);
                numbers.emplace(std::move(key), number);
            }
        }
        std::erase_if(fresh_, [&](uint64_t number) { return !entries.contains(number); });
        fresh_.insert(fresh_.end(), fresh.begin(), fresh.end());
        entries_ = std::move(entries);
        numbers_ = std::move(numbers);
        next_number_ = next;
    }
    eventfd_write(wake_.get(), 1);
}

std::optional<Status> Checker::status(const Service& service, const Backend& backend) const {
    const std::lock_guard lock(mutex_);
    const auto number = numbers_.find({service.name, backend.endpoint});
    if (number == numbers_.end()) return std::nullopt;
    const Entry& entry = entries_.at(number->second);
    if (entry.target.check != service.health) return std::nullopt;
    return entry.status;
}

std::vector<Change> Checker::take_changes() {
    const std::lock_guard lock(mutex_);
    return std::exchange(changes_, {});
}

std::optional<Target> Checker::target(uint64_t number) const {
    const std::lock_guard lock(mutex_);
    const auto entry = entries_.find(number);
    return entry == entries_.end() ? std::nullopt : std::optional(entry->second.target);
}

void Checker::record(uint64_t number, const Outcome& outcome, std::chrono::nanoseconds took) {
    if (outcome.verdict == Outcome::Verdict::undecided) return;
    {
        const std::lock_guard lock(mutex_);
        const auto entry = entries_.find(number);
        if (entry == entries_.end()) return;
        auto& [target, status, back] = entry->second;
        const bool passed = outcome.verdict == Outcome::Verdict::passed;
        status.took = took;
        const bool clients_failed = back.has_value();
        if (!passed) back.reset();
        // What clients have met stays the reason until it is up again.
        if (!passed || !clients_failed) status.reason = outcome.reason;
        if (!status.standing.take(passed, *target.check)) return;
        if (passed) status.reason.clear();
        back.reset();
        status.since = Clock::now();
        changes_.push_back({target.service, target.backend, status, Witness::check});
    }
    on_change_();
}

void Checker::fail(const std::string& service, const EndpointRange& backend, const std::string& reason) {
    {
        const std::lock_guard lock(mutex_);
        const auto number = numbers_.find({service, backend});
        if (number == numbers_.end()) return;
        auto& [target, status, back] = entries_.at(number->second);
        const auto& passive = target.check->passive;
        if (!passive || !status.standing.knock_down(passive->failures)) return;
        status.reason = reason;
        status.since = Clock::now();
        back = status.since + passive->hold;
        failed_.push_back(number->second);
        changes_.push_back({target.service, target.backend, status, Witness::clients});
    }
    on_change_();
    eventfd_write(wake_.get(), 1);
}

void Checker::bring_back(uint64_t number, Clock::time_point now) {
    {
        const std::lock_guard lock(mutex_);
        const auto entry = entries_.find(number);
        if (entry == entries_.end()) return;
        auto& [target, status, back] = entry->second;
        if (!back || *back > now) return;  // a check has decided since
        status.standing.forgive();
        status.reason.clear();
        status.since = now;
        back.reset();
        changes_.push_back({target.service, target.backend, status, Witness::time});
    }
    on_change_();
}

}  // namespace hairpin::health
