// What every engine can be asked: the proxy in user space, the kernel's NAT, eBPF.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/event.h"
#include "model/ruleset.h"
#include "model/stats.h"
#include "model/topology.h"
#include "model/translate.h"
#include "net/inherited_sockets.h"

namespace hairpin {

// What an engine cannot do for a service, said before the first packet. The only permitted reason for a test to skip an
// engine.
struct Gap {
    std::string service;  // that it is about, or the first of them
    std::string message;  // what it cannot do, and the way out
    bool fatal = false;   // the configuration asks for it by name: the engine refuses to start rather than do otherwise
    bool implied = false;  // no key asks for it: it follows from a default
    bool closes = false;   // an endpoint is led to nobody because of it: once for each
};

// What is to be: the services and where the gateway stands. Immutable, shared by all threads of an engine.
struct Desired {
    Ruleset ruleset;
    Topology topology;
};

// What an engine tells of itself: what is wrong, and for the log alone, what it has done.
inline Event engine_warning(std::string message) {
    return {.kind = EventKind::engine, .level = Event::Level::warning, .message = std::move(message)};
}
inline Event engine_note(std::string message) { return {.message = std::move(message)}; }

// A backend at which so many connections of clients in a row have failed as `passive` of its health says.
struct BackendFailure {
    std::string service;
    EndpointRange backend;
    std::string reason;  // of the last one
};

// One thread calls these, the daemon's. Threads that an engine starts are its own affair. Where there can be only one
// in a network namespace, apply() and clear() fail while another process serves, and name it.
class Engine {
public:
    virtual ~Engine() = default;  // stops our threads; kernel state stays
    virtual std::string_view name() const = 0;
    virtual Abilities abilities() const = 0;
    virtual std::vector<Gap> gaps(const Ruleset& ruleset) const = 0;  // pure
    // Whether this machine lets it serve this, as far as that can be told without changing anything; the error says
    // what stands in the way. Otherwise what hindrances() would be.
    virtual Result<std::vector<std::string>> check(const Desired& desired) = 0;
    // Whether the kernel holds something of this engine, whoever put it there; the error says why we may not look.
    virtual Result<bool> has_traces() = 0;
    // Which process serves with it, where there can be only one in a network namespace; 0: one that cannot be told.
    // Nothing: none.
    virtual std::optional<pid_t> owner() const { return {}; }
    // What around us may keep what is served from some clients, as last seen: one sentence each, with what helps in it.
    virtual std::vector<std::string> hindrances() const { return {}; }
    // What around us certainly keeps clients out, likewise; told as it begins and as it ends.
    virtual std::vector<std::string> troubles() const { return {}; }
    // Serves exactly this from now on: idempotent, all or nothing, without memory (std::bad_alloc) too. An endpoint
    // that is no longer served takes no new connections; live ones go on. UDP, which has no connections, ends with its
    // endpoint, its backend and its rules.
    virtual Result<> apply(std::shared_ptr<const Desired> desired) = 0;
    virtual Result<Stats> stats() = 0;
    // Shows every flow that there is, in no order; `visit` runs before this returns, on any thread, one call at a time.
    virtual Result<> flows(const std::function<void(const LiveFlow&)>& visit) = 0;
    // Ends the live TCP connections that `which` chooses, which is called as `visit` above; how many there were. Both
    // ends hear a reset: at once, or where packets are translated in the kernel, when they next say something. One that
    // has not reached its backend yet is not seen.
    virtual Result<uint64_t> end_connections(const std::function<bool(const LiveFlow&)>& which) = 0;
    // Those since the last call; see EngineOptions::on_failure.
    virtual std::vector<BackendFailure> take_failures() { return {}; }
    virtual Result<> clear() = 0;  // leaves no trace in the kernel
    // For another process that serves on in our place: the sockets that we listen on, which stay ours; and that it
    // does, so we take nothing new while what lives goes on.
    virtual std::vector<int> listening_sockets() const { return {}; }
    virtual void stop_listening() {}
    virtual void tend() {}  // called about once a second: what the engine must look after; tells of its errors
};

struct EngineOptions {
    int threads = 0;           // 0: one per core
    bool set_sysctls = false;  // sets what it needs of the kernel, and puts it back in clear()
    // What an operator may want to know of; engines rate-limit what traffic can cause. Called from any thread; must not
    // wait.
    std::function<void(const Event&)> on_event = [](const Event&) {};
    std::function<void()> on_failure = [] {};          // there is one to take; called from any thread; must not wait
    std::shared_ptr<InheritedSockets> inherited = {};  // null: we are nobody's successor
};

}  // namespace hairpin
