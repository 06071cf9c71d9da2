// One TCP connection of a client, and the one to a backend that carries it on.
//
// Theory of operation.
//
//   greeting ──> connecting ──> relaying ──> (over)
//                    │              │
//                    └──> (over)    └──> resetting ──> (over)
//
// greeting    A sender that must begin with a PROXY header has not finished it. The bytes stay in the socket until the
//             header is whole, so that the payload behind it is never touched. Skipped for all others.
//             Then it is known who calls: whom the service does not let in, or not now for its limits, is reset here,
//             before a backend is asked.
// connecting  One backend after the other is tried, each once, until one accepts. What this needs to know lies in
//             `Opening`, which is freed then: an idle session is this object and nothing else.
// relaying    Two Directions, moved by the Relay. An end of stream is passed on after the last byte and leaves the
//             other direction open. Both sides are reset where nothing has moved for as long as the service allows.
// resetting   One side broke. What it sent before is still delivered, for a bounded time; then both sides are reset, so
//             that neither takes a truncated stream for a whole one.
//
// A session is made by begin() and lives until it is over; then its sockets are closed and it waits in Context::ended,
// for later events of the same batch may still name it and are ignored. Used by its worker's thread alone.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "engines/proxy/connect_failure.h"
#include "engines/proxy/context.h"
#include "engines/proxy/proxy_protocol.h"
#include "engines/proxy/timer_wheel.h"

namespace hairpin::proxy {

class Session : private Timer {
public:
    // Takes over a connection that was accepted on `served`; Context::sessions owns it.
    static void begin(Context& context, const Served& served, Fd client, const Endpoint& peer);

    void on_client_event(uint32_t events);
    void on_backend_event(uint32_t events);
    void go_on();  // from Context::again

    bool queued() const { return queued_; }  // Context::again names it

    // Nothing while there is no backend, or where one side is gone.
    std::optional<LiveFlow> flow() const;
    uint32_t listed = 0;  // the listing that it was last shown in; see Worker::flows

    // Ends it now, with resets.
    void abort();

    ~Session() override;  // closes what is open

private:
    enum class State : uint8_t { greeting, connecting, relaying, resetting, over };
    struct Opening;

    Session(Context& context, const Served& served, std::unique_ptr<Opening> opening);
    void expired() override;

    template <class Work>
    void within_memory(Work work);
    void client_event(uint32_t events);
    void backend_event(uint32_t events);
    void timed_out();
    void end_if_silent();

    void open(const Served& served, Fd client, const Endpoint& peer);
    void greet();
    void admit();
    void refuse_greeting(std::string_view why);
    void connect_next();
    std::optional<ConnectFailure> try_connect(const Leg& leg);
    void on_connect_result();
    void on_connected();
    void try_another(const ConnectFailure& failure);
    void close_backend();
    void refuse(Refusal refusal);
    void relay();
    void fail(Side& side);
    void reset_when_delivered();
    void end();

    uint32_t place_;  // in Context::sessions; here, it fills a gap: there may be many of these
    Context& context_;
    Side client_;
    Side backend_;
    Direction up_;    // client to backend
    Direction down_;  // backend to client
    ServiceRecord* record_;
    Counters* counters_;  // this worker's, in the record
    LiveThere live_;      // at the backend, and while it is being tried
    std::unique_ptr<Opening> opening_;
    std::unique_ptr<FlowLimits::Share> share_;  // of the service's limits; null: it has none
    std::unique_ptr<Endpoint> told_;            // the client, as a PROXY header names it; null: it is who connected
    std::chrono::steady_clock::time_point began_;
    std::unique_ptr<Leg>
        guarded_;  // what LoopGuard remembers: the connection to the backend, if it may lead back to us
    State state_ = State::greeting;
    Path path_ = Path::external;  // once a backend has accepted
    bool client_broke_ = false;   // resetting: which side
    bool queued_ = false;         // in Context::again
    uint8_t delivery_attempts_ = 0;
    std::chrono::duration<uint32_t, std::milli> idle_timeout_{};  // relaying; 0: none
    uint32_t undelivered_ = 0;                                    // bytes, when the timer last expired
};

}  // namespace hairpin::proxy
