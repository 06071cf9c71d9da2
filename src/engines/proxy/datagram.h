// UDP: one socket for all clients of an endpoint, and a session with a connected socket of its own for each client.
//
// Theory of operation. A session is found by who sent the datagram and which address it asked; the first datagram of a
// client makes one and chooses its backend. The session's socket is connected, so the kernel delivers to it nothing but
// what this backend sends from the port that was asked. Replies leave from the endpoint that the client asked. Silence
// for the service's idle_timeout, in both directions, is the only thing that ends a session: ICMP errors do not
// (RFC 4787 REQ-12), they are read off the socket and counted, and the datagram that met one is sent once more. A
// session ends, too, with its listener: UDP has no end of its own that one could wait for.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>

#include "engines/proxy/connect_failure.h"
#include "engines/proxy/context.h"
#include "engines/proxy/datagram_replies.h"
#include "engines/proxy/proxy_protocol.h"

namespace hairpin::proxy {

class DatagramListener;

// Who asks whom: what a session is found by.
struct DatagramKey {
    Endpoint peer;        // sent the datagram
    ProxyAddresses told;  // who asks what: the peer and our endpoint, or what the peer's PROXY header names
    Ip asked;             // the gateway's address it was sent to
    uint32_t link = 0;    // SockAddr::link() of the peer: another link may have the same address

    bool operator==(const DatagramKey&) const = default;
};

struct DatagramKeyHash {
    size_t operator()(const DatagramKey& key) const {
        return EndpointHash{}(key.peer) ^ (EndpointHash{}(key.told.source) * 31) ^
               (EndpointHash{}(key.told.destination) * 61) ^ (IpHash{}(key.asked) * 131) ^ key.link;
    }
};

// Used by its worker's thread alone, as is the listener.
class DatagramSession : private Timer {
public:
    // `peer` is key.peer as the kernel told it, with the link that a link-local address is on. Counts in
    // ServiceRecord::sessions.
    DatagramSession(Context& context, DatagramListener& listener, const DatagramKey& key, const SockAddr& peer);
    ~DatagramSession() override;
    DatagramSession(const DatagramSession&) = delete;
    DatagramSession& operator=(const DatagramSession&) = delete;

    bool within_limit() const { return within_limit_; }  // of Service::max_sessions; otherwise it must go

    // Connects to a backend. Precondition: called once, before all that follows.
    std::optional<ConnectFailure> open();

    LiveFlow flow() const;

    void forward(DatagramBatch& batch, size_t first, size_t last);  // from the client to the backend
    void on_event(DatagramReplies& replies);                        // the backend has sent something
    void on_replied(const DatagramBatch::Sent& sent);               // what became of it

private:
    friend class DatagramListener;
    void expired() override;
    void stay_alive();
    // Counts datagrams that were dropped since `fit` bytes of payload are the most that can be sent on.
    void refuse_oversize(size_t count, size_t fit, std::string_view towards);
    void report_no_room(size_t count, std::string_view towards);  // datagrams were dropped
    void report_backend(size_t count, int error_number);          // it cannot be reached, at least for now
    std::optional<ConnectFailure> try_connect(const Leg& leg);

    Context& context_;
    DatagramListener& listener_;
    const DatagramKey key_;
    const SockAddr peer_;
    ServiceRecord& record_;
    Counters& counters_;
    const std::chrono::milliseconds idle_timeout_;
    std::unique_ptr<FlowLimits::Share> share_;  // of the service's limits; null: it has none
    bool within_limit_ = false;
    Fd backend_;
    Path path_ = Path::external;
    Leg leg_;  // to the backend, with the port it calls from
    LiveThere live_;
    const std::chrono::steady_clock::time_point began_;
    size_t largest_joined_to_backend_ = most_segment_bytes;
    size_t largest_joined_to_client_ = most_segment_bytes;
    size_t wanted_ = 1;  // messages from the backend at once, by what came before
    uint64_t bytes_to_backend_ = 0;
    uint64_t bytes_to_client_ = 0;
    bool guarded_ = false;  // LoopGuard remembers the leg
    std::array<uint8_t, proxy_header_space> header_space_{};
    std::span<const uint8_t> header_;  // what each datagram to the backend begins with
};

class DatagramListener {
public:
    // `fd` is a bound socket.
    DatagramListener(Context& context, const Served& served, Fd fd);
    ~DatagramListener();
    DatagramListener(const DatagramListener&) = delete;
    DatagramListener& operator=(const DatagramListener&) = delete;

    void on_event(DatagramBatch& batch);  // clients have sent something

    // The configuration has changed: a session ends where the client's next datagram would open another one under other
    // rules or none, and where its backend, or the address that it calls from, is no more.
    void serve(const Served& changed, const Desired& desired);
    // Sessions whose socket holds this port, which is to be listened on, end.
    void end_sessions_from(const Endpoint& endpoint);

    int fd() const { return fd_.get(); }
    const auto& sessions() const { return sessions_; }

private:
    friend class DatagramSession;
    DatagramSession* find_or_open(const DatagramKey& key, const SockAddr& peer);
    bool is_wildcard() const { return served_.listen.endpoint.ip.is_unspecified(); }
    // Reads and cuts off the header of a datagram from a listed sender. False: it has none.
    bool read_header(DatagramBatch& batch, size_t i, ProxyAddresses& told);

    Served served_;
    Context& context_;
    Fd fd_;
    std::unordered_map<DatagramKey, std::unique_ptr<DatagramSession>, DatagramKeyHash> sessions_;
};

}  // namespace hairpin::proxy
