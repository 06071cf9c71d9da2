// The API on any request: the first lines are its method, its path with the query, and its headers Host and
// Last-Event-ID; the rest is its body. Whatever is asked has an answer: JSON, or metrics, with a status that there is;
// an error says what is wrong; and over TCP nothing is answered but what reads.
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "daemon/loopback_guard.h"
#include "daemon/operations.h"
#include "support/fake_engine.h"

namespace {

using namespace hairpin;

void require(bool holds) {
    if (!holds) std::abort();
}

std::string_view cut(std::string_view& text, char end) {
    const std::string_view piece = text.substr(0, text.find(end));
    text.remove_prefix(std::min(text.size(), piece.size() + 1));
    return piece;
}

HttpRequest request_of(std::string_view text) {
    HttpRequest request;
    request.method = cut(text, '\n');
    std::string_view target = cut(text, '\n');
    request.path = cut(target, '?');
    while (!target.empty()) {
        std::string_view argument = cut(target, '&');
        const std::string key(cut(argument, '='));
        request.query[key] = argument;
    }
    request.host = cut(text, '\n');
    request.last_event_id = cut(text, '\n');
    request.body = text;
    return request;
}

LiveFlow some_flow() {
    const Endpoint client = *Endpoint::parse("10.0.0.3:40000");
    const Endpoint external = *Endpoint::parse("1.0.0.1:80");
    const Endpoint backend = *Endpoint::parse("10.0.0.2:80");
    return {.service = "web",
            .path = Path::peer,
            .client = {Protocol::tcp, client, external},
            .backend = {Protocol::tcp, external, backend}};
}

Ruleset some_services() {
    Service web;
    web.name = "web";
    web.listen = {*EndpointRange::parse("1.0.0.1:80")};
    web.backends = {{*EndpointRange::parse("10.0.0.2:80")}};
    return Ruleset({web});
}

void check(const HttpRequest& request, const HttpResponse& response) {
    const auto json = nlohmann::json::parse(response.body, nullptr, false);
    if (response.status == 200) {
        require(request.method == "GET" || request.method == "HEAD" || request.method == "POST");
        if (response.stream) {
            require(response.content_type == "text/event-stream" && response.body.empty());
            while (!response.stream->next().empty()) {
            }
            return;
        }
        require(response.content_type == "application/json" ? json.is_object() : request.path == "/metrics");
        return;
    }
    require(response.status >= 400 && response.status < 600);
    require(json.is_object() && json.at("error").is_string());
    require((response.status == 405) == !response.allow.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static FakeEngine engine;
    static const Administration administration;
    static const BackendHealth health([] {}, administration);
    static const BackendDiscovery discovery([] {});
    static const Loads loads;
    static Events events;
    static const Desired desired{some_services(), {}};
    if (engine.told_flows.empty()) {
        engine.told_flows.push_back(some_flow());
        events.tell({.kind = EventKind::ready, .message = "ready"});
    }

    const HttpRequest request = request_of({reinterpret_cast<const char*>(data), size});
    const HttpResponse response = answer(operations(), request, [](const auto& work) {
        Gateway gateway{engine, health, discovery, desired, desired, loads, events, {}};
        gateway.administer = [](auto...) { return Result<>(); };
        gateway.upgrade = [] { return Result<pid_t>(1); };
        work(gateway);
    });
    check(request, response);
    if (const auto refusal = refuse_over_tcp(request)) {
        require(refusal->status == 403);
        check(request, *refusal);
    } else {
        require(request.method == "GET" || request.method == "HEAD");
    }
    return 0;
}
