// The HTTP API of a running daemon, on a Unix socket. What can be asked is the table in operations.cc.
//
// Everything says "Server: hairpin/VERSION" and is JSON; an error is {"error": "..."} with a status of 400 and above.
// But what libmicrohttpd cannot read, such as a request line of more than its 32 KB, it answers itself, in HTML and
// without asking us: with status 400, 414 or 431.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "daemon/calls.h"
#include "daemon/http_server.h"
#include "daemon/operations.h"

namespace hairpin {

class Api {
public:
    // Takes its place at `path` until it is destroyed: from now on nobody else can, and who asks waits for serve().
    static Result<std::unique_ptr<Api>> open(const std::string& path, Calls& calls);
    ~Api();  // removes the socket

    // Answers from now on. `gateway` is called on the daemon's thread, through `calls`; both must outlive it. Once.
    Result<> serve(std::function<Gateway()> gateway);

private:
    Api(std::string path, Fd listening, Calls& calls)
        : path_(std::move(path)), listening_(std::move(listening)), calls_(calls) {}

    const std::string path_;
    Fd listening_;
    std::function<Gateway()> gateway_;
    Calls& calls_;
    std::unique_ptr<HttpServer> server_;  // last: its thread uses what stands above
};

}  // namespace hairpin
