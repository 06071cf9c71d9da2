#include "daemon/changes.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "config/values.h"
#include "daemon/backends_json.h"

namespace hairpin {
namespace {

using nlohmann::ordered_json;

struct Target {
    BackendPattern backend;
    std::string service;  // empty: all
};

// The body of an order.
Result<Target> target_of(const std::string& body) {
    const auto json = ordered_json::parse(body, nullptr, false);
    if (!json.is_object()) return Error{R"(the body must be a JSON object, {"backend": "10.0.0.2:80"})"};
    std::string backend;
    std::string service;
    for (const auto& [key, value] : json.items()) {
        if (key != "backend" && key != "service") {
            return Error{"there is no member " + in_quotes(key) + ", only backend and service"};
        }
        if (!value.is_string() || value.get_ref<const std::string&>().empty()) {
            return Error{key + " must be a text that is not empty"};
        }
        (key == "backend" ? backend : service) = value.get<std::string>();
    }
    if (backend.empty()) return Error{"backend is missing: ADDRESS:PORT, or ADDRESS for all its ports"};
    const auto pattern = BackendPattern::parse(backend);
    if (!pattern) return pattern.error().within("backend");
    return Target{*pattern, std::move(service)};
}

// In two steps: an order replaces what the gateway was seen as.
HttpResponse administer(Order order, const HttpRequest& request, const WithGateway& with_gateway) {
    const auto target = target_of(request.body);
    if (!target) return error_response(400, target.error().message);
    std::vector<ServiceBackend> names;
    HttpResponse response;
    with_gateway([&](Gateway& gateway) {
        auto found = meant(gateway.services(), target->backend, target->service);
        if (!found) {
            response = error_response(404, found.error().message);
        } else if (const auto done = gateway.administer(order, *found, who_asks(request)); !done) {
            response = error_response(500, done.error().message);
        } else {
            names = *std::move(found);
        }
    });
    if (names.empty()) return response;
    with_gateway([&](Gateway& gateway) {
        const auto told = backends_json(gateway, names);
        response = told ? json_response(200, *told) : error_response(500, told.error().message);
    });
    return response;
}

}  // namespace

HttpResponse drain(const HttpRequest& request, const WithGateway& with_gateway) {
    return administer(Order::drain, request, with_gateway);
}

HttpResponse undrain(const HttpRequest& request, const WithGateway& with_gateway) {
    return administer(Order::undrain, request, with_gateway);
}

HttpResponse disable(const HttpRequest& request, const WithGateway& with_gateway) {
    return administer(Order::disable, request, with_gateway);
}

HttpResponse enable(const HttpRequest& request, const WithGateway& with_gateway) {
    return administer(Order::enable, request, with_gateway);
}

HttpResponse reload(const HttpRequest&, const WithGateway& with_gateway) {
    std::optional<Reload> reloaded;
    with_gateway([&](Gateway& gateway) {
        if (gateway.reload) reloaded = gateway.reload();
    });
    if (!reloaded) return error_response(409, std::string(nothing_to_reload));
    if (reloaded->reasons.empty()) return json_response(200, {{"serving", reloaded->serving}});
    return json_response(422, {{"error", "refused, and nothing has changed: still serving " + reloaded->serving},
                               {"errors", reloaded->reasons}});
}

}  // namespace hairpin
