// HTTP over a listening socket of any kind: the border to libmicrohttpd.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "daemon/http_streams.h"

struct MHD_Daemon;

namespace hairpin {

// A larger body is answered with status 413, and nobody is asked.
inline constexpr size_t most_body_bytes = size_t{64} * 1024;

// The process at the other end of a Unix socket, as it was when it connected.
struct Peer {
    pid_t pid = 0;
    uid_t uid = 0;
};

struct HttpRequest {
    std::string method;  // "GET"
    std::string path;    // "/v1/flows"
    std::map<std::string, std::string, std::less<>> query = {};
    std::string host = {};           // the header, "localhost:8053"; empty: there is none
    std::string last_event_id = {};  // likewise
    std::string body = {};
    std::optional<Peer> peer = {};  // nothing: it came over TCP
};

// "uid 1000, pid 4711"
std::string who_asks(const HttpRequest& request);

struct HttpResponse {
    int status = 200;
    std::string body = {};
    std::string content_type = "application/json";
    std::string allow = {};                 // the header of that name; empty: none
    std::optional<HttpStream> stream = {};  // in place of the body
};

// What is no UTF-8 in a text is replaced.
HttpResponse json_response(int status, const nlohmann::ordered_json& json);
// {"error": message}
HttpResponse error_response(int status, const std::string& message);

// Serves until it is destroyed, on one thread of its own, one request at a time, and beside them the readers of
// streams.
class HttpServer {
public:
    using Answer = std::function<HttpResponse(const HttpRequest&)>;

    // `answer` is called on the server's thread. What it throws becomes a response of status 503.
    static Result<std::unique_ptr<HttpServer>> start(Fd listening, Answer answer);
    ~HttpServer();  // readers of streams hear what there still is, if they take it at once

    int listening_socket() const;
    // Takes no new request and ends streams; returns once those under way are answered, or after 2 s. Another process
    // may listen on.
    void finish();
    // As HttpStreams has it. Any thread.
    void wake_streams() { streams_.wake(); }

private:
    explicit HttpServer(Answer answer) : answer_(std::move(answer)) {}
    HttpResponse respond(const HttpRequest& request) const;

    const Answer answer_;
    HttpStreams streams_;
    MHD_Daemon* daemon_ = nullptr;
    friend struct HttpCallbacks;
};

}  // namespace hairpin
