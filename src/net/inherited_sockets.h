// Listening sockets that pass from one process of ours to the next, so that no client ever finds the door shut: both
// hold the very same socket, and its queue of clients, until the first one lets go.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "base/fd.h"
#include "base/result.h"
#include "model/flow.h"

namespace hairpin {

// Those that a predecessor gave. One thread uses it; what nobody takes is closed with it.
class InheritedSockets {
public:
    // Both ends of a SOCK_SEQPACKET pair (unix(7), SCM_RIGHTS). The sender keeps its own descriptors. Blocks.
    static Result<> send(int via, std::span<const int> sockets);
    static Result<InheritedSockets> receive(int via);

    bool holds(Protocol protocol, const Endpoint& endpoint) const { return bound_.contains({protocol, endpoint}); }
    // One that is bound there, if any is left; non-blocking, closed on exec.
    std::optional<Fd> take(Protocol protocol, const Endpoint& endpoint);
    std::optional<Fd> take(const std::string& path);  // of a Unix socket
    void close();                                     // what is left

private:
    void add(Fd socket);

    std::multimap<std::pair<Protocol, Endpoint>, Fd> bound_;
    std::map<std::string, Fd> unix_;
};

}  // namespace hairpin
