#include "daemon/api.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include "daemon/api_socket.h"
#include "daemon/loopback_guard.h"
#include "net/socket.h"

namespace hairpin {

Result<std::unique_ptr<Api>> Api::open(const ApiSettings& settings, Calls& calls) {
    std::unique_ptr<Api> api(new Api(calls));
    if (const auto opened = api->open_socket(settings); !opened) return opened.error().within("the API's socket");
    if (settings.listen) {
        if (const auto opened = api->open_port(*settings.listen); !opened) return opened.error().within("api.listen");
    }
    return api;
}

// Without it the services are still served: only who asked for a socket of its own misses it.
Result<> Api::open_socket(const ApiSettings& settings) {
    const std::string path = settings.socket.value_or(default_api_socket());
    if (path.empty()) return {};
    auto listening = listen_at(path, settings.group);
    if (listening) {
        socket_ = *std::move(listening);
        path_ = path;
        return {};
    }
    if (settings.socket || !settings.group.empty()) return listening.error();
    spdlog::info("`hairpin status`, `flows` and their like cannot ask this one: {}; --socket gives it another socket",
                 listening.error().message);
    return {};
}

Result<> Api::open_port(const Endpoint& endpoint) {
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
    return start(port_, answer_readers);
}

Api::~Api() {
    if (!path_.empty()) unlink(path_.c_str());
}

}  // namespace hairpin
