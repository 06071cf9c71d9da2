// Sockets as the rest of the program wants them: non-blocking, closed on exec, with errors in words.
#pragma once

#include <optional>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "model/flow.h"
#include "net/sockaddr.h"

namespace hairpin {

// A non-blocking socket of this protocol and family. An invalid Fd leaves the reason in errno.
Fd open_socket(Protocol protocol, Family family);

// Sets an int option that every kernel we run on knows; failure is ignored.
void set_option(int fd, int level, int option, int value = 1);

// close() will send RST instead of FIN and drop what is unsent.
void reset_on_close(int fd);

Endpoint local_endpoint(int fd);                // getsockname
std::optional<Endpoint> peer_endpoint(int fd);  // getpeername; nothing: it is not, or no more, connected
int pending_error(int fd);                      // SO_ERROR, cleared by reading it

// Has a socket that is to be connected come from this address. With port 0 its port is chosen at connect(), when the
// destination is known, so that many destinations can share one. False: errno says why not.
bool bind_source(int fd, const Endpoint& source);

// Has a socket that is to be connected to `peer` come from this address of ours, at any port that is free towards it,
// and send and receive by the link of that name alone; empty: by any. False: errno says why not, which may be that the
// routes refuse it.
bool come_from(int fd, const Ip& source, const std::string& link, const Endpoint& peer);

// Whether the kernel's routes and rules lead there at all, now. Sends nothing.
bool is_reachable(const Ip& peer);

// Bytes that the peer has not acknowledged yet (SIOCOUTQ).
int unacknowledged_bytes(int fd);

// Opens the socket on which an external endpoint is served: bound, and for TCP listening. Accepted sockets inherit
// TCP_NODELAY, keep-alive and in-line urgent data. Any number of sockets can be opened on one endpoint, and beside one
// on all addresses; the kernel deals clients out to them (SO_REUSEPORT).
Result<Fd> open_listener(Protocol protocol, const Endpoint& endpoint);

// Resets every client that a listening TCP socket has not accepted yet, and listens on. Takes no descriptor, unlike
// accept(). Returns how many there were; one that comes in this very moment may not be counted.
unsigned reset_waiting_clients(int listener);

// An error where some process, this one or another, already serves the endpoint or all addresses with its port.
// SO_REUSEPORT alone would let a second gateway of the same user take half of the connections in silence.
Result<> check_unused(Protocol protocol, const Endpoint& endpoint);

}  // namespace hairpin
