#include "discovery/resolver.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#include <algorithm>
#include <new>
#include <system_error>
#include <tuple>

#include "discovery/lookup.h"

namespace hairpin::discovery {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t most_at_once = 64;
constexpr std::chrono::milliseconds until_memory_is_free{100};

// Tells one state of the file from another: DHCP clients replace it.
using Version = std::tuple<ino_t, off_t, time_t, long>;
Version version_of_resolv_conf() {
    struct stat status {};
    if (stat("/etc/resolv.conf", &status) != 0) return {};
    return {status.st_ino, status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec};
}

}  // namespace

// The resolver's thread. A question waits in due_ for its time, or is under way in lookups_.
class Resolver::Loop {
public:
    Loop(Resolver& resolver, std::unique_ptr<Dns> dns) : resolver_(resolver), dns_(std::move(dns)) {}

    void run() {
        pthread_setname_np(pthread_self(), "names");
        while (true) {
            try {
                if (!take_fresh()) return;
                begin_due();
                end_lookups();
                dns_->wait(resolver_.wake_.get(), next());
                end_lookups();
            } catch (const std::bad_alloc&) {
                std::this_thread::sleep_for(until_memory_is_free);
            }
        }
    }

private:
    // False: the resolver ends.
    bool take_fresh() {
        eventfd_t ignored = 0;
        eventfd_read(resolver_.wake_.get(), &ignored);
        const std::lock_guard lock(resolver_.mutex_);
        for (const Question& question : resolver_.fresh_) schedule(question, Clock::now());
        resolver_.fresh_.clear();
        if (std::exchange(resolver_.other_servers_, false)) {
            servers_ = resolver_.servers_;
            stale_ = true;
        }
        return !resolver_.stop_;
    }

    // One time for each question: the latest word counts.
    void schedule(const Question& question, Clock::time_point at) {
        if (const auto before = times_.find(question); before != times_.end()) due_.erase({before->second, question});
        times_[question] = at;
        due_.emplace(at, question);
    }

    void begin_due() {
        while (!due_.empty() && due_.begin()->first <= Clock::now() && lookups_.size() < most_at_once) {
            follow_servers();
            const Question question = due_.begin()->second;
            due_.erase(due_.begin());
            times_.erase(question);
            if (!resolver_.is_watched(question) || lookups_.contains(question)) continue;
            lookups_.emplace(question, std::make_unique<Lookup>(*dns_, question));
        }
    }

    // What is under way is asked anew, of the new servers.
    void follow_servers() {
        const Version version = version_of_resolv_conf();
        if (!stale_ && version == version_) return;
        auto dns = Dns::open(servers_);
        if (!dns) return;  // at the next question
        for (const auto& [question, lookup] : lookups_) schedule(question, Clock::now());
        dns_ = *std::move(dns);  // the old one forgets its lookups before they go
        lookups_.clear();
        version_ = version;
        stale_ = false;
    }

    Clock::time_point next() const {
        const bool full = lookups_.size() >= most_at_once;
        return due_.empty() || full ? Clock::time_point::max() : due_.begin()->first;
    }

    void end_lookups() {
        for (auto lookup = lookups_.begin(); lookup != lookups_.end();) {
            if (!lookup->second->over()) {
                ++lookup;
                continue;
            }
            Reply reply = lookup->second->take_reply();
            const auto ttl = reply.ttl;
            const Known known = resolver_.record(lookup->first, std::move(reply));
            schedule(lookup->first, Clock::now() + until_next(known, ttl));
            lookup = lookups_.erase(lookup);
        }
    }

    Resolver& resolver_;
    std::set<std::pair<Clock::time_point, Question>> due_;
    std::map<Question, Clock::time_point> times_;  // the same, by question
    std::map<Question, std::unique_ptr<Lookup>> lookups_;
    std::vector<Endpoint> servers_;
    Version version_;
    bool stale_ = true;
    std::unique_ptr<Dns> dns_;  // last: it calls lookups back
};

Result<std::unique_ptr<Resolver>> Resolver::start(std::function<void()> on_change) {
    std::unique_ptr<Resolver> resolver(new Resolver(std::move(on_change)));
    resolver->wake_ = Fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    if (!resolver->wake_) return system_error("starting the resolver");
    auto dns = Dns::open({});
    if (!dns) return dns.error();
    try {
        auto loop = std::make_shared<Loop>(*resolver, *std::move(dns));
        resolver->thread_ = std::thread([loop] { loop->run(); });
    } catch (const std::system_error& failure) {
        return system_error("starting the thread of the resolver", failure.code().value());
    }
    return resolver;
}

Resolver::~Resolver() {
    if (!thread_.joinable()) return;
    {
        const std::lock_guard lock(mutex_);
        stop_ = true;
    }
    eventfd_write(wake_.get(), 1);
    thread_.join();
}

void Resolver::watch(const std::set<Question>& questions, std::vector<Endpoint> servers) {
    {
        const std::lock_guard lock(mutex_);
        std::erase_if(known_, [&](const auto& entry) { return !questions.contains(entry.first); });
        std::erase_if(fresh_, [&](const Question& question) { return !questions.contains(question); });
        for (const Question& question : questions) {
            if (known_.try_emplace(question).second) fresh_.push_back(question);
        }
        other_servers_ |= servers != servers_;
        servers_ = std::move(servers);
    }
    eventfd_write(wake_.get(), 1);
}

void Resolver::wait_until_asked(std::chrono::milliseconds patience) const {
    std::unique_lock lock(mutex_);
    was_asked_.wait_for(lock, patience, [this] {
        return std::ranges::all_of(known_, [](const auto& entry) { return entry.second.asked; });
    });
}

std::map<Question, Known> Resolver::known() const {
    const std::lock_guard lock(mutex_);
    return known_;
}

bool Resolver::is_watched(const Question& question) const {
    const std::lock_guard lock(mutex_);
    return known_.contains(question);
}

Known Resolver::record(const Question& question, Reply reply) {
    bool changed = false;
    Known now;
    {
        const std::lock_guard lock(mutex_);
        const auto entry = known_.find(question);
        if (entry == known_.end()) return now;
        now = after(entry->second, std::move(reply));
        changed = !entry->second.asked || now.servers != entry->second.servers || now.trouble != entry->second.trouble;
        entry->second = now;
    }
    was_asked_.notify_all();
    if (changed) on_change_();
    return now;
}

}  // namespace hairpin::discovery
