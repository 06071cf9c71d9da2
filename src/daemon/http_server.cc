#include "daemon/http_server.h"

#include <fmt/format.h>
#include <microhttpd.h>
#include <sys/socket.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

namespace hairpin {
namespace {

constexpr unsigned most_connections = 2 * HttpStreams::most;
constexpr unsigned idle_seconds = 30;
constexpr std::chrono::seconds longest_finish{2};
constexpr std::chrono::milliseconds last_words{1000};
constexpr std::chrono::milliseconds look_interval{5};

// A request that is being read. The library keeps it from the headers until it has been answered.
struct Reading {
    std::string body;
    bool too_large = false;
};

std::optional<Peer> peer_of(MHD_Connection* connection) {
    const auto* info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (!info || getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return std::nullopt;
    if (credentials.pid == 0) return std::nullopt;  // TCP
    return Peer{credentials.pid, credentials.uid};
}

std::string header(MHD_Connection* connection, const char* name) {
    const char* value = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
    return value ? value : "";
}

MHD_Result add_argument(void* query, MHD_ValueKind, const char* key, const char* value) {
    static_cast<HttpRequest*>(query)->query[key] = value ? value : "";
    return MHD_YES;
}

// Waits, but not for long. The library tells nobody when a connection or a stream has gone.
void wait_until(const std::function<bool()>& condition, std::chrono::milliseconds longest) {
    const auto deadline = std::chrono::steady_clock::now() + longest;
    while (!condition() && std::chrono::steady_clock::now() < deadline) std::this_thread::sleep_for(look_interval);
}

// `response`: null where there is no memory for it.
MHD_Result send(MHD_Connection* connection, const HttpResponse& answer, MHD_Response* response) {
    if (!response) return MHD_NO;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer.content_type.c_str());
    MHD_add_response_header(response, MHD_HTTP_HEADER_SERVER, "hairpin/" HAIRPIN_VERSION);
    if (!answer.allow.empty()) MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, answer.allow.c_str());
    const MHD_Result queued = MHD_queue_response(connection, static_cast<unsigned>(answer.status), response);
    MHD_destroy_response(response);
    return queued;
}

MHD_Result send(MHD_Connection* connection, const HttpResponse& answer) {
    return send(connection, answer,
                MHD_create_response_from_buffer(answer.body.size(), const_cast<char*>(answer.body.data()),
                                                MHD_RESPMEM_MUST_COPY));
}

// Readers of the same may come again, so nobody in between is to keep it.
MHD_Result send_stream(MHD_Connection* connection, const HttpResponse& answer, HttpStreams& streams) {
    MHD_Response* response = streams.open(connection, *answer.stream);
    if (!response) {
        return send(connection, error_response(503, fmt::format("{} readers follow already, and more there may not be: "
                                                                "end one, or ask again later",
                                                                HttpStreams::most)));
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    return send(connection, answer, response);
}

}  // namespace

// What the library calls.
struct HttpCallbacks {
    // Called once for the headers, then for each piece of the body, and again when all of it is there.
    // Without memory the connection is closed: no exception may pass through the library.
    static MHD_Result on_request(void* server, MHD_Connection* connection, const char* path, const char* method,
                                 const char*, const char* piece, size_t* piece_size, void** kept) try {
        if (!*kept) {
            *kept = new Reading;
            return MHD_YES;
        }
        auto& reading = *static_cast<Reading*>(*kept);
        if (*piece_size > 0) {
            reading.too_large = reading.too_large || reading.body.size() + *piece_size > most_body_bytes;
            if (!reading.too_large) reading.body.append(piece, *piece_size);
            *piece_size = 0;
            return MHD_YES;
        }
        if (reading.too_large) {
            return send(connection,
                        error_response(413, fmt::format("a body may have up to {} bytes", most_body_bytes)));
        }
        HttpRequest request{method,
                            path,
                            {},
                            header(connection, "Host"),
                            header(connection, "Last-Event-ID"),
                            std::move(reading.body),
                            peer_of(connection)};
        MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, add_argument, &request);
        auto& ours = *static_cast<HttpServer*>(server);
        const HttpResponse answer = ours.respond(request);
        return answer.stream ? send_stream(connection, answer, ours.streams_) : send(connection, answer);
    } catch (const std::exception&) {
        return MHD_NO;
    }

    static void on_end(void*, MHD_Connection*, void** kept, MHD_RequestTerminationCode) {
        delete static_cast<Reading*>(*kept);
        *kept = nullptr;
    }
};

std::string who_asks(const HttpRequest& request) {
    return request.peer ? fmt::format("uid {}, pid {}", request.peer->uid, request.peer->pid) : "somebody unknown";
}

HttpResponse json_response(int status, const nlohmann::ordered_json& json) {
    return {.status = status, .body = json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)};
}

HttpResponse error_response(int status, const std::string& message) {
    return json_response(status, {{"error", message}});
}

Result<std::unique_ptr<HttpServer>> HttpServer::start(Fd listening, Answer answer) {
    std::unique_ptr<HttpServer> server(new HttpServer(std::move(answer)));
    server->daemon_ =
        MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ITC | MHD_ALLOW_SUSPEND_RESUME, 0,
                         nullptr, nullptr, HttpCallbacks::on_request, server.get(), MHD_OPTION_LISTEN_SOCKET,
                         listening.get(), MHD_OPTION_CONNECTION_LIMIT, most_connections, MHD_OPTION_CONNECTION_TIMEOUT,
                         idle_seconds, MHD_OPTION_NOTIFY_COMPLETED, HttpCallbacks::on_end, nullptr, MHD_OPTION_END);
    if (!server->daemon_) return system_error("starting the HTTP server");
    listening.release();  // the library closes it
    return server;
}

HttpServer::~HttpServer() {
    if (!daemon_) return;
    streams_.end();
    wait_until([this] { return streams_.count() == 0; }, last_words);
    MHD_stop_daemon(daemon_);
}

int HttpServer::listening_socket() const { return MHD_get_daemon_info(daemon_, MHD_DAEMON_INFO_LISTEN_FD)->listen_fd; }

void HttpServer::finish() {
    const Fd listening(MHD_quiesce_daemon(daemon_));  // ours from now on
    streams_.end();
    const auto idle = [this] {
        return MHD_get_daemon_info(daemon_, MHD_DAEMON_INFO_CURRENT_CONNECTIONS)->num_connections == 0;
    };
    wait_until(idle, longest_finish);
}

HttpResponse HttpServer::respond(const HttpRequest& request) const {
    try {
        return answer_(request);
    } catch (const std::exception& failure) {
        return error_response(503, failure.what());
    }
}

}  // namespace hairpin
