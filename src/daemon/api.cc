#include "daemon/api.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include "daemon/api_socket.h"
#include "daemon/loopback_guard.h"
#include "net/socket.h"

namespace hairpin {
namespace {

void tell_that_none_can_ask(const std::string& why) {
    spdlog::warn("`hairpin status`, `flows` and their like cannot ask this one: {}; --socket gives it a socket", why);
}

}  // namespace

Result<std::unique_ptr<Api>> Api::open(const ApiSettings& settings, Calls& calls, InheritedSockets* inherited) {
    std::unique_ptr<Api> api(new Api(calls));
    if (const auto opened = api->open_socket(settings, inherited); !opened) {
        return opened.error().within("the API's socket");
    }
    if (settings.listen) {
        const auto opened = api->open_port(*settings.listen, inherited);
        if (!opened) return opened.error().within("api.listen");
    }
    return api;
}

// Without it the services are still served: only who asked for a socket of its own misses it.
Result<> Api::open_socket(const ApiSettings& settings, InheritedSockets* inherited) {
    const std::string path = settings.socket.value_or(default_api_socket());
    if (path.empty()) {
        if (!settings.socket) tell_that_none_can_ask("neither RUNTIME_DIRECTORY nor XDG_RUNTIME_DIR names a folder");
        return {};
    }
    if (auto socket = inherited ? inherited->take(path) : std::nullopt) {
        socket_ = *std::move(socket);
        path_ = path;
        return {};
    }
    auto listening = listen_at(path, settings.group);
    if (listening) {
        socket_ = *std::move(listening);
        path_ = path;
        is_ours_ = true;
        return {};
    }
    if (settings.socket || !settings.group.empty()) return listening.error();
    tell_that_none_can_ask(listening.error().message);
    return {};
}

Result<> Api::open_port(const Endpoint& endpoint, InheritedSockets* inherited) {
    if (auto socket = inherited ? inherited->take(Protocol::tcp, endpoint) : std::nullopt) {
        port_ = *std::move(socket);
        return {};
    }
    if (auto unused = check_unused(Protocol::tcp, endpoint); !unused) return unused;
    auto listening = open_listener(Protocol::tcp, endpoint);
    if (!listening) return listening.error();
    port_ = *std::move(listening);
    return {};
}

Result<> Api::serve(std::function<Gateway()> gateway) {
    gateway_ = std::move(gateway);
    const auto with_gateway = [this](const std::function<void(Gateway&)>& work) {
        calls_.call([&] {
            Gateway seen = gateway_();
            work(seen);
        });
    };
    const auto answer_all = [with_gateway](const HttpRequest& request) {
        return answer(operations(), request, with_gateway);
    };
    const auto answer_readers = [answer_all](const HttpRequest& request) {
        const auto refusal = refuse_over_tcp(request);
        return refusal ? *refusal : answer_all(request);
    };
    const auto start = [this](Fd& listening, const HttpServer::Answer& answer_one) -> Result<> {
        if (!listening) return {};
        auto server = HttpServer::start(std::move(listening), answer_one);
        if (!server) return server.error();
        servers_.push_back(*std::move(server));
        return {};
    };
    if (auto started = start(socket_, answer_all); !started) return started;
    if (auto started = start(port_, answer_readers); !started) return started;
    is_ours_ = true;
    return {};
}

void Api::wake_streams() {
    for (const auto& server : servers_) server->wake_streams();
}

std::vector<int> Api::listening_sockets() const {
    std::vector<int> sockets;
    for (const auto& server : servers_) sockets.push_back(server->listening_socket());
    return sockets;
}

void Api::hand_over() {
    for (const auto& server : servers_) server->finish();
    servers_.clear();
    is_ours_ = false;
}

Api::~Api() {
    socket_.reset();  // of a daemon that would now be found there by nobody but us
    if (!path_.empty() && (is_ours_ || !is_served(path_))) unlink(path_.c_str());
}

}  // namespace hairpin
