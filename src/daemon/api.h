// The HTTP API of a running daemon, on a Unix socket:
//
//   GET /v1/status                                   who answers: version, pid, engine, network namespace
//   GET /v1/stats                                    counters of each service
//   GET /v1/flows[?source=S][&backend=B]             every flow, or those that the backend B sees as coming from S
//
// Everything is JSON; an error is {"error": "..."} with a status of 400 and above.
#pragma once

#include <memory>
#include <string>

#include "daemon/calls.h"
#include "daemon/http_server.h"
#include "engines/engine.h"

namespace hairpin {

class Api {
public:
    // Serves at `path` until it is destroyed, and asks the engine through `calls`; both must outlive it.
    static Result<std::unique_ptr<Api>> open(const std::string& path, Engine& engine, Calls& calls);
    ~Api();  // removes the socket

private:
    Api(std::string path, Engine& engine, Calls& calls) : path_(std::move(path)), engine_(engine), calls_(calls) {}
    HttpResponse answer(const HttpRequest& request);
    HttpResponse status() const;
    HttpResponse stats();
    HttpResponse flows(const HttpRequest& request);

    const std::string path_;
    Engine& engine_;
    Calls& calls_;
    std::unique_ptr<HttpServer> server_;
};

}  // namespace hairpin
