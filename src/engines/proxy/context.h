// What the parts of one worker share: its epoll instance, timers, relay and current configuration.
#pragma once

#include <sys/epoll.h>

#include <chrono>
#include <memory>
#include <vector>

#include "base/fd.h"
#include "engines/engine.h"
#include "engines/proxy/attempts.h"
#include "engines/proxy/compile.h"
#include "engines/proxy/connect_failure.h"
#include "engines/proxy/counters.h"
#include "engines/proxy/loop_guard.h"
#include "engines/proxy/relay.h"
#include "engines/proxy/timer_wheel.h"

namespace hairpin::proxy {

class Session;

// What this engine can do: it opens connections of its own, so it sends from the gateway's addresses only.
inline constexpr Abilities proxy_abilities{.foreign_source = false, .cross_family = true};

// An endpoint as one worker serves it. Points into the current Desired.
struct Served {
    Listen listen;
    ServiceRecord* record = nullptr;  // lives as long as the engine
    Counters* counters = nullptr;     // this worker's, in the record
    std::shared_ptr<const BackendRecords> backends = {};

    // The backends for one more connection or session of this client. This and the Desired must last as long.
    Attempts attempts(const Ip& client) const;
    // Why there is none.
    Refusal nobody() const;

    LiveThere live_at(Choice choice) const { return LiveThere((*backends)[choice.backend]); }

    // A client's connection or session has reached that backend; `took`: how long that took to accept, which is said of
    // connections alone.
    void accepted(Choice choice, Path path, std::optional<std::chrono::nanoseconds> took = {}) const;
    // Or it has not, which `passive` of the service's health counts.
    void failed(Choice choice, const ConnectFailure& failure) const;

    // Whether the service's limits leave room for one more connection or session of this client, which is counted
    // then, as long as its `share` lives. Where one is reached that is told.
    bool within_limits(const Desired& desired, const Ip& client, std::chrono::steady_clock::time_point now,
                       std::unique_ptr<FlowLimits::Share>& share) const;

    void refuse(Refusal refusal, uint64_t clients = 1) const {
        counters->refused[static_cast<size_t>(refusal)].add(clients);
    }
};

// Used by its worker's thread alone.
struct Context {
    Context(size_t worker_index, LoopGuard& loop_guard);
    ~Context();
    Context(const Context&) = delete;
    Context& operator=(const Context&) = delete;

    // For one more session: from then on it can be queued and ended without memory.
    void make_room();

    const size_t worker;
    LoopGuard& guard;  // shared by all workers
    Fd epoll;
    Relay relay;
    std::chrono::steady_clock::time_point now = std::chrono::steady_clock::now();  // read once a batch
    TimerWheel timers{now};
    std::shared_ptr<const Desired> desired;
    std::vector<std::unique_ptr<Session>> sessions;  // that live
    std::vector<std::unique_ptr<Session>> ended;     // to be freed once nothing names them
    std::vector<Session*> again;                     // have more to move; they come again after the others
};

// What an epoll event is about, in the low bits of the pointer to it.
enum class Tag : uint64_t { wake, tcp_listener, client_side, backend_side, udp_listener, udp_session };
inline constexpr uint64_t tag_mask = 7;

inline epoll_event event_for(uint32_t events, const void* subject, Tag tag) {
    return {.events = events, .data = {.u64 = reinterpret_cast<uint64_t>(subject) | static_cast<uint64_t>(tag)}};
}

// False with errno set where the kernel has no room for one more.
inline bool watch(const Context& context, int fd, uint32_t events, const void* subject, Tag tag) {
    epoll_event event = event_for(events, subject, tag);
    return epoll_ctl(context.epoll.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

// No event of it comes any more, whoever else holds the socket; nothing where it is not watched.
inline void unwatch(const Context& context, int fd) { epoll_ctl(context.epoll.get(), EPOLL_CTL_DEL, fd, nullptr); }

}  // namespace hairpin::proxy
