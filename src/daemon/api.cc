#include "daemon/api.h"

#include <unistd.h>

#include "daemon/api_socket.h"

namespace hairpin {

Result<std::unique_ptr<Api>> Api::open(const std::string& path, Calls& calls) {
    auto listening = listen_at(path);
    if (!listening) return listening.error();
    return std::unique_ptr<Api>(new Api(path, *std::move(listening), calls));
}

Result<> Api::serve(std::function<Gateway()> gateway) {
    gateway_ = std::move(gateway);
    const auto with_gateway = [this](const std::function<void(Gateway&)>& work) {
        calls_.call([&] {
            Gateway seen = gateway_();
            work(seen);
        });
    };
    auto server = HttpServer::start(std::move(listening_), [with_gateway](const HttpRequest& request) {
        return answer(operations(), request, with_gateway);
    });
    if (!server) return server.error();
    server_ = *std::move(server);
    return {};
}

Api::~Api() { unlink(path_.c_str()); }

}  // namespace hairpin
