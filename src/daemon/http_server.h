// HTTP over a listening socket of any kind: the border to libmicrohttpd.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/fd.h"
#include "base/result.h"

struct MHD_Daemon;

namespace hairpin {

struct HttpRequest {
    std::string method;  // "GET"
    std::string path;    // "/v1/flows"
    std::map<std::string, std::string, std::less<>> query;
};

struct HttpResponse {
    int status = 200;
    std::string body;  // JSON
};

// Serves until it is destroyed, on one thread of its own, one request at a time.
class HttpServer {
public:
    using Answer = std::function<HttpResponse(const HttpRequest&)>;

    // `answer` is called on the server's thread. What it throws becomes a response of status 503.
    static Result<std::unique_ptr<HttpServer>> start(Fd listening, Answer answer);
    ~HttpServer();

private:
    explicit HttpServer(Answer answer) : answer_(std::move(answer)) {}
    HttpResponse respond(const HttpRequest& request) const;

    const Answer answer_;
    MHD_Daemon* daemon_ = nullptr;
    friend struct HttpCallbacks;
};

}  // namespace hairpin
