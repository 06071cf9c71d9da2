#include "daemon/http_server.h"

#include <microhttpd.h>

#include <nlohmann/json.hpp>

namespace hairpin {

// What the library calls.
struct HttpCallbacks {
    static MHD_Result add_argument(void* query, MHD_ValueKind, const char* key, const char* value) {
        static_cast<HttpRequest*>(query)->query[key] = value ? value : "";
        return MHD_YES;
    }

    // Called once for the headers, and again when the body is there, which no request of ours needs.
    static MHD_Result on_request(void* server, MHD_Connection* connection, const char* path, const char* method,
                                 const char*, const char*, size_t* body_size, void** seen) {
        if (!*seen) {
            *seen = server;
            return MHD_YES;
        }
        if (*body_size > 0) {
            *body_size = 0;
            return MHD_YES;
        }
        HttpRequest request{method, path, {}};
        MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, add_argument, &request);
        const HttpResponse answer = static_cast<HttpServer*>(server)->respond(request);
        MHD_Response* response = MHD_create_response_from_buffer(
            answer.body.size(), const_cast<char*>(answer.body.data()), MHD_RESPMEM_MUST_COPY);
        if (!response) return MHD_NO;
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
        MHD_add_response_header(response, MHD_HTTP_HEADER_SERVER, "hairpin/" HAIRPIN_VERSION);
        const MHD_Result queued = MHD_queue_response(connection, static_cast<unsigned>(answer.status), response);
        MHD_destroy_response(response);
        return queued;
    }
};

namespace {

constexpr unsigned most_connections = 64;
constexpr unsigned idle_seconds = 30;

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::start(Fd listening, Answer answer) {
    std::unique_ptr<HttpServer> server(new HttpServer(std::move(answer)));
    server->daemon_ = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ITC, 0, nullptr,
                                       nullptr, HttpCallbacks::on_request, server.get(), MHD_OPTION_LISTEN_SOCKET,
                                       listening.get(), MHD_OPTION_CONNECTION_LIMIT, most_connections,
                                       MHD_OPTION_CONNECTION_TIMEOUT, idle_seconds, MHD_OPTION_END);
    if (!server->daemon_) return system_error("starting the HTTP server");
    listening.release();  // the library closes it
    return server;
}

HttpServer::~HttpServer() {
    if (daemon_) MHD_stop_daemon(daemon_);
}

HttpResponse HttpServer::respond(const HttpRequest& request) const {
    try {
        return answer_(request);
    } catch (const std::exception& failure) {
        return {503, nlohmann::json({{"error", failure.what()}}).dump()};
    }
}

}  // namespace hairpin
