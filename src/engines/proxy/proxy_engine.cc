#include "engines/proxy/proxy_engine.h"

#include <sys/resource.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "engines/proxy/worker.h"
#include "net/socket.h"

namespace hairpin {
namespace proxy {
namespace {

using Key = std::pair<Protocol, Endpoint>;

constexpr size_t spare_descriptors = 64;  // for workers, logs and at least a few clients

// Fails early, and with the figures, where the listening sockets alone would use up all descriptors.
Result<> check_descriptors(size_t sockets) {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    if (sockets + spare_descriptors <= limit.rlim_cur) return {};
    return Error{"serving these endpoints takes " + std::to_string(sockets) +
                 " file descriptors before the first client, and the limit is " + std::to_string(limit.rlim_cur) +
                 "; raise it (LimitNOFILE= in the unit, ulimit -n in a shell) or publish fewer ports"};
}

// "a, b, c and 7 more"
std::string listed(const std::vector<std::string>& names) {
    constexpr size_t most = 3;
    std::string text;
    for (size_t i = 0; i < std::min(most, names.size()); ++i) text += (i > 0 ? ", " : "") + names[i];
    return names.size() > most ? text + " and " + std::to_string(names.size() - most) + " more" : text;
}

class ProxyEngine final : public Engine {
public:
    explicit ProxyEngine(EngineOptions options)
        : options_(std::move(options)),
          worker_count_(options_.threads > 0 ? static_cast<size_t>(options_.threads)
                                             : std::max(1U, std::thread::hardware_concurrency())) {}

    std::string_view name() const override { return "proxy"; }
    Abilities abilities() const override { return proxy_abilities; }
    std::vector<Gap> gaps(const Ruleset& ruleset) const override;
    Result<std::vector<std::string>> check(const Desired&) override { return std::vector<std::string>(); }
    Result<bool> has_traces() override { return false; }
    Result<> apply(std::shared_ptr<const Desired> desired) override;
    Result<Stats> stats() override;
    Result<> flows(const std::function<void(const LiveFlow&)>& visit) override;
    Result<uint64_t> end_connections(const std::function<bool(const LiveFlow&)>& which) override;
    std::vector<BackendFailure> take_failures() override;
    Result<> clear() override { return apply(std::make_shared<const Desired>()); }
    std::vector<int> listening_sockets() const override;
    void stop_listening() override;

private:
    Result<> start_workers();
    bool touches_ours(const Listen& listen) const;
    bool is_inherited(const Listen& listen) const;
    Result<Fd> open(const Listen& listen);
    template <class Attempt>
    auto with_port_freed(const Listen& listen, Attempt attempt);
    size_t sockets_for(const Listen& listen) const { return listen.shared ? worker_count_ : 1; }
    ServiceRecord& record_of(const std::string& service);

    void note(BackendFailure failure);

    const EngineOptions options_;
    const size_t worker_count_;
    std::mutex mutex_;
    std::vector<BackendFailure> failures_;  // guarded by mutex_
    LoopGuard guard_;
    std::map<std::string, std::unique_ptr<ServiceRecord>, std::less<>> records_;  // of every service there ever was
    std::map<Key, bool> serving_;                                                 // endpoint -> Listen::shared
    std::shared_ptr<const Desired> desired_ = std::make_shared<const Desired>();
    std::vector<std::unique_ptr<Worker>> workers_;  // last: they use what stands above
};

std::vector<Gap> ProxyEngine::gaps(const Ruleset& ruleset) const {
    std::vector<Gap> gaps;
    std::vector<std::string> hiding;  // services whose backends would see external clients with `auto`, elsewhere
    for (const Service& service : ruleset.services()) {
        if (service.source == SourcePolicy::keep || service.source == SourcePolicy::map) {
            gaps.push_back(
                {service.name,
                 "source: " + std::string(hairpin::name(service.source)) +
                     ": a proxy cannot send from addresses that are not the gateway's own; use source: auto, "
                     "and proxy_protocol: {send: v2} where the backend must know who called",
                 true});
        } else if (service.source == SourcePolicy::automatic && service.send_proxy == ProxyHeader::none) {
            hiding.push_back(service.name);
        }
    }
    if (!hiding.empty()) {
        gaps.push_back({hiding.front(),
                        "source: auto: a proxy cannot send from the client's address, so backends see the external one "
                        "on every path; proxy_protocol: {send: v2} tells them who called (" +
                            listed(hiding) + ")",
                        false, true});
    }
    return gaps;
}

Result<> ProxyEngine::start_workers() {
    while (workers_.size() < worker_count_) {
        auto worker = Worker::start(workers_.size(), guard_);
        if (!worker) return worker.error();
        workers_.push_back(std::move(*worker));
    }
    return {};
}

// Whether we serve the port already, on all addresses or, if the new endpoint is that, on one: ours to share.
bool ProxyEngine::touches_ours(const Listen& listen) const {
    const Ip any = Ip::any(listen.endpoint.ip.family());
    if (serving_.contains({listen.protocol, {any, listen.endpoint.port}})) return true;
    return listen.endpoint.ip == any && std::ranges::any_of(serving_, [&](const auto& served) {
               const auto& [protocol, endpoint] = served.first;
               return protocol == listen.protocol && endpoint.port == listen.endpoint.port &&
                      endpoint.ip.family() == any.family();
           });
}

bool ProxyEngine::is_inherited(const Listen& listen) const {
    return options_.inherited && options_.inherited->holds(listen.protocol, listen.endpoint);
}

// Tries to use the port of an endpoint, and once more where one of our UDP sessions may be calling from it. Such a
// session ends: the client's next datagram opens another one, on another port.
template <class Attempt>
auto ProxyEngine::with_port_freed(const Listen& listen, Attempt attempt) {
    auto result = attempt(listen.protocol, listen.endpoint);
    if (result || listen.protocol != Protocol::udp) return result;
    for (const auto& worker : workers_) worker->end_sessions_from(listen.endpoint);
    return attempt(listen.protocol, listen.endpoint);
}

Result<Fd> ProxyEngine::open(const Listen& listen) {
    if (options_.inherited) {
        if (auto fd = options_.inherited->take(listen.protocol, listen.endpoint)) return *std::move(fd);
    }
    return with_port_freed(listen, open_listener);
}

ServiceRecord& ProxyEngine::record_of(const std::string& service) {
    auto known = records_.find(service);
    if (known == records_.end()) {
        auto record = std::make_unique<ServiceRecord>(service, worker_count_, options_.on_event,
                                                      [this](BackendFailure failure) { note(std::move(failure)); });
        known = records_.emplace(service, std::move(record)).first;
    }
    return *known->second;
}

// Every new socket is opened, and all memory taken, before any worker hears of the change: where one of them cannot be
// had, nothing has happened.
Result<> ProxyEngine::apply(std::shared_ptr<const Desired> desired) {
    std::vector<Listen> listens = compile(desired->ruleset);
    size_t sockets = 0;
    for (const Listen& listen : listens) sockets += sockets_for(listen);
    if (auto enough = check_descriptors(sockets); !enough) return enough;
    if (auto started = start_workers(); !started) return started;

    std::map<const Service*, std::shared_ptr<const BackendRecords>> backends;
    for (const Service& service : desired->ruleset.services()) {
        backends[&service] = record_of(service.name).backends_of(service);
    }
    std::vector<Assignment> assignments(worker_count_);
    for (Assignment& assignment : assignments) assignment.desired = desired;
    std::map<Key, bool> serving;
    for (Listen& listen : listens) {
        const Key key(listen.protocol, listen.endpoint);
        const auto old = serving_.find(key);
        const bool keep = old != serving_.end();
        if (keep) listen.shared = old->second;  // a socket stays as it was opened
        serving.emplace(key, listen.shared);
        if (!keep && !touches_ours(listen) && !is_inherited(listen)) {
            if (auto unused = with_port_freed(listen, check_unused); !unused) return unused;
        }
        ServiceRecord& record = record_of(listen.service->name);
        for (size_t i = 0; i < worker_count_; ++i) {
            if (!listen.shared && i != listen.owner(worker_count_)) continue;
            Assignment::Socket socket{{listen, &record, &record.of_worker(i), backends.at(listen.service)}, Fd()};
            if (!keep) {
                auto fd = open(listen);
                if (!fd) return fd.error();
                socket.fd = std::move(*fd);
            }
            assignments[i].sockets.push_back(std::move(socket));
        }
    }
    std::vector<Worker::Change> changes;
    changes.reserve(worker_count_);
    for (size_t i = 0; i < worker_count_; ++i) changes.push_back(workers_[i]->prepare(std::move(assignments[i])));
    for (const auto& [service, records] : backends) record_of(service->name).serve(*service);
    for (size_t i = 0; i < worker_count_; ++i) workers_[i]->assign(std::move(changes[i]));
    serving_ = std::move(serving);
    desired_ = std::move(desired);
    return {};
}

// Services of the ruleset in its order, then former ones that still have connections.
Result<Stats> ProxyEngine::stats() {
    Stats stats;
    std::set<std::string_view> current;
    for (const Service& service : desired_->ruleset.services()) {
        current.insert(service.name);
        stats.services.push_back(record_of(service.name).total());
    }
    for (const auto& [service, record] : records_) {
        if (current.contains(service)) continue;
        if (ServiceStats total = record->total(); total.active > 0) stats.services.push_back(std::move(total));
    }
    return stats;
}

Result<> ProxyEngine::flows(const std::function<void(const LiveFlow&)>& visit) {
    for (const auto& worker : workers_) worker->flows(visit);
    return {};
}

Result<uint64_t> ProxyEngine::end_connections(const std::function<bool(const LiveFlow&)>& which) {
    uint64_t ended = 0;
    for (const auto& worker : workers_) ended += worker->end_connections(which);
    return ended;
}

// On a worker's thread.
void ProxyEngine::note(BackendFailure failure) {
    {
        const std::lock_guard lock(mutex_);
        const bool known = std::ranges::any_of(failures_, [&](const BackendFailure& other) {
            return other.service == failure.service && other.backend == failure.backend;
        });
        if (known) return;  // the daemon will come by
        failures_.push_back(std::move(failure));
    }
    options_.on_failure();
}

std::vector<BackendFailure> ProxyEngine::take_failures() {
    const std::lock_guard lock(mutex_);
    return std::exchange(failures_, {});
}

std::vector<int> ProxyEngine::listening_sockets() const {
    std::vector<int> sockets;
    for (const auto& worker : workers_) worker->add_listening_sockets(sockets);
    return sockets;
}

void ProxyEngine::stop_listening() {
    for (const auto& worker : workers_) worker->stop_listening();
}

}  // namespace
}  // namespace proxy

std::unique_ptr<Engine> make_proxy_engine(EngineOptions options) {
    return std::make_unique<proxy::ProxyEngine>(std::move(options));
}

}  // namespace hairpin
