// The HTTP API of a running daemon, on a Unix socket:
//
//   GET /v1/status                                   who answers: version, pid, engine, network namespace
//   GET /v1/stats                                    counters of each service
//   GET /v1/backends                                 every backend, whether it is up, and why not
//   GET /v1/flows[?source=S][&backend=B]             every flow, or those that the backend B sees as coming from S
//
// Everything is JSON and says "Server: hairpin/VERSION"; an error is {"error": "..."} with a status of 400 and above.
// But what libmicrohttpd cannot read, such as a request line of more than its 32 KB, it answers itself, in HTML and
// without asking us: with status 400, 414 or 431.
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "daemon/calls.h"
#include "daemon/http_server.h"
#include "engines/engine.h"

namespace hairpin {

class Api {
public:
    // Takes its place at `path` until it is destroyed: from now on nobody else can, and who asks waits for serve().
    static Result<std::unique_ptr<Api>> open(const std::string& path, Calls& calls);
    ~Api();  // removes the socket

    // Answers, and asks the engine and `backends`, which says what /v1/backends does, through `calls`; all must outlive
    // it. Once.
    Result<> serve(Engine& engine, std::function<nlohmann::ordered_json()> backends);

private:
    Api(std::string path, Fd listening, Calls& calls)
        : path_(std::move(path)), listening_(std::move(listening)), calls_(calls) {}
    HttpResponse answer(const HttpRequest& request);
    HttpResponse status() const;
    HttpResponse stats();
    HttpResponse backends();
    HttpResponse flows(const HttpRequest& request);

    const std::string path_;
    Fd listening_;
    Engine* engine_ = nullptr;
    std::function<nlohmann::ordered_json()> backends_;
    Calls& calls_;
    std::unique_ptr<HttpServer> server_;
};

}  // namespace hairpin
