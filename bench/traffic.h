// Traffic that a measure sends through a gateway of the lab.
#pragma once

#include <thread>

#include "base/fd.h"
#include "base/result.h"
#include "lab/host.h"
#include "model/ip.h"

namespace hairpin::bench {

// The backend of all measures: it accepts connections and closes them, and leaves datagrams to be dropped, so that it
// costs next to nothing. A thread of its own accepts.
class Sink {
public:
    static Result<std::unique_ptr<Sink>> open(const lab::Host& host, const Endpoint& endpoint);
    ~Sink();
    Sink(const Sink&) = delete;
    Sink& operator=(const Sink&) = delete;

    void drop_datagrams() const;  // that wait
    Result<> answer_datagram() const;
    uint64_t packets() const;  // that have come to the host since it was made

private:
    explicit Sink(const lab::Host& host) : host_(host) {}

    const lab::Host& host_;
    Fd tcp_;
    Fd udp_;
    std::thread acceptor_;
};

// Packets a second on one established UDP flow, sent as fast as one thread can and counted at the backend's host. The
// kernel takes each the whole way, through the gateway to the backend, before the sender goes on.
Result<double> packets_per_second(const lab::Host& client, const Endpoint& asked, const Sink& sink);

// TCP connections a second that one client opens and resets, one after the other.
Result<double> connections_per_second(const lab::Host& client, const Endpoint& asked);

}  // namespace hairpin::bench
