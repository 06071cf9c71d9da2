#include "daemon/api.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "daemon/api_socket.h"
#include "daemon/stats_json.h"

namespace hairpin {
namespace {

using nlohmann::ordered_json;

HttpResponse error(int status, const std::string& message) {
    return {status, ordered_json({{"error", message}}).dump(-1, ' ', false, ordered_json::error_handler_t::replace)};
}

// Which flows are asked for, by what their backend sees.
struct Filter {
    std::optional<Endpoint> source;
    std::optional<Endpoint> backend;  // port 0: any

    bool takes(const LiveFlow& flow) const {
        if (source && flow.backend.source != *source) return false;
        if (!backend) return true;
        const Endpoint& seen = flow.backend.destination;
        return seen.ip == backend->ip && (backend->port == 0 || seen.port == backend->port);
    }
};

Result<Filter> filter_of(const HttpRequest& request) {
    Filter filter;
    for (const auto& [key, value] : request.query) {
        if (key != "source" && key != "backend")
            return Error{"there is no parameter " + key + ", only source and backend"};
        const auto endpoint = key == "source" ? Endpoint::parse(value) : Endpoint::parse_open(value);
        if (!endpoint) return endpoint.error().within(key);
        (key == "source" ? filter.source : filter.backend) = *endpoint;
    }
    return filter;
}

}  // namespace

Result<std::unique_ptr<Api>> Api::open(const std::string& path, Calls& calls) {
    auto listening = listen_at(path);
    if (!listening) return listening.error();
    return std::unique_ptr<Api>(new Api(path, *std::move(listening), calls));
}

Result<> Api::serve(Engine& engine, std::function<ordered_json()> backends) {
    engine_ = &engine;
    backends_ = std::move(backends);
    auto server =
        HttpServer::start(std::move(listening_), [this](const HttpRequest& request) { return answer(request); });
    if (!server) return server.error();
    server_ = *std::move(server);
    return {};
}

Api::~Api() { unlink(path_.c_str()); }

HttpResponse Api::answer(const HttpRequest& request) {
    const auto& path = request.path;
    constexpr auto known = std::to_array<std::string_view>({"/v1/status", "/v1/stats", "/v1/backends", "/v1/flows"});
    if (std::ranges::count(known, path) == 0) return error(404, "there is no " + path);
    if (request.method != "GET") return error(405, path + " can only be read: GET");
    if (path == "/v1/status") return status();
    if (path == "/v1/backends") return backends();
    return path == "/v1/stats" ? stats() : flows(request);
}

HttpResponse Api::status() const {
    std::error_code ignored;
    return {200, ordered_json({{"version", HAIRPIN_VERSION},
                               {"pid", getpid()},
                               {"engine", engine_->name()},
                               {"network_namespace", std::filesystem::read_symlink("/proc/self/ns/net", ignored)}})
                     .dump()};
}

HttpResponse Api::stats() {
    HttpResponse response;
    calls_.call([&] {
        const Result<Stats> stats = engine_->stats();
        response = stats ? HttpResponse{200, to_json(*stats).dump()} : error(500, stats.error().message);
    });
    return response;
}

HttpResponse Api::backends() {
    HttpResponse response;
    calls_.call([&] {
        // What a command's name or an error holds may be no UTF-8.
        response.body = backends_().dump(-1, ' ', false, ordered_json::error_handler_t::replace);
    });
    return response;
}

// A million flows would be a large tree: each becomes text at once.
HttpResponse Api::flows(const HttpRequest& request) {
    const auto filter = filter_of(request);
    if (!filter) return error(400, filter.error().message);
    std::string list;
    HttpResponse response;
    calls_.call([&] {
        const auto shown = engine_->flows([&](const LiveFlow& flow) {
            if (!filter->takes(flow)) return;
            list.append(list.empty() ? "" : ",").append(to_json(flow).dump());
        });
        response = shown ? HttpResponse{200, R"({"flows":[)" + list + "]}"} : error(500, shown.error().message);
    });
    return response;
}

}  // namespace hairpin
