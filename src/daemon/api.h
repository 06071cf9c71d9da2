// The HTTP API of a running daemon: on a Unix socket, and read only on a loopback port. What can be asked is the table
// in operations.cc.
//
// Everything says "Server: hairpin/VERSION" and is JSON, but for /metrics and streams of events; an error is {"error":
// "..."} with a status of 400 and above. But what libmicrohttpd cannot read, such as a request line of more than its 32
// KB, it answers itself, in HTML and without asking us: with status 400, 414 or 431.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "config/config.h"
#include "daemon/calls.h"
#include "daemon/http_server.h"
#include "daemon/operations.h"
#include "net/inherited_sockets.h"

namespace hairpin {

class Api {
public:
    // Takes its places until it is destroyed: from now on nobody else can, and who asks waits for serve(). A socket
    // that nobody asked for need not be had: that is logged.
    // `inherited`, which may be null, holds sockets of the daemon before us.
    static Result<std::unique_ptr<Api>> open(const ApiSettings& settings, Calls& calls, InheritedSockets* inherited);
    ~Api();  // removes the socket, unless another daemon has it, or has it still

    // Answers from now on. `gateway` is called on the daemon's thread, through `calls`; both must outlive it. Once.
    Result<> serve(std::function<Gateway()> gateway);

    // Who follows something hears what is new. To be called when there may be something, and about once a second.
    void wake_streams();

    const std::string& path() const { return path_; }  // of the socket; empty: there is none

    // For the daemon after us: where we listen, and that it answers from now on.
    std::vector<int> listening_sockets() const;
    void hand_over();

private:
    explicit Api(Calls& calls) : calls_(calls) {}
    Result<> open_socket(const ApiSettings& settings, InheritedSockets* inherited);
    Result<> open_port(const Endpoint& endpoint, InheritedSockets* inherited);

    std::string path_;
    bool is_ours_ = false;  // the path; not before we serve at one that we have inherited
    Fd socket_;
    Fd port_;
    std::function<Gateway()> gateway_;
    Calls& calls_;
    std::vector<std::unique_ptr<HttpServer>> servers_;  // last: their threads use what stands above
};

}  // namespace hairpin
