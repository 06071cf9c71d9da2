#include "daemon/operations.h"

#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>

#include "config/values.h"
#include "daemon/backends_json.h"
#include "daemon/changes.h"
#include "daemon/event_stream.h"
#include "daemon/live_explanation.h"
#include "daemon/metrics.h"
#include "daemon/openapi.h"
#include "daemon/stats_json.h"
#include "daemon/status.h"

namespace hairpin {
namespace {

using nlohmann::ordered_json;

HttpResponse response_of(const ordered_json& json) { return json_response(200, json); }

HttpResponse response_of(const Result<ordered_json>& json) {
    return json ? response_of(*json) : error_response(500, json.error().message);
}

// Answers with what `tell` makes of the gateway.
template <class Tell>
HttpResponse told(const WithGateway& with_gateway, Tell tell) {
    HttpResponse response;
    with_gateway([&](Gateway& gateway) { response = response_of(tell(gateway)); });
    return response;
}

HttpResponse status(const HttpRequest&, const WithGateway& with_gateway) { return told(with_gateway, status_json); }

HttpResponse services(const HttpRequest&, const WithGateway& with_gateway) { return told(with_gateway, services_json); }

HttpResponse stats(const HttpRequest&, const WithGateway& with_gateway) {
    return told(with_gateway, [](Gateway& gateway) -> Result<ordered_json> {
        const Result<Stats> stats = gateway.stats();
        if (!stats) return stats.error();
        return to_json(*stats);
    });
}

HttpResponse metrics(const HttpRequest&, const WithGateway& with_gateway) {
    HttpResponse response;
    with_gateway([&](Gateway& gateway) {
        const auto text = metrics_text(gateway);
        response = text ? HttpResponse{.body = *text, .content_type = metrics_content_type}
                        : error_response(500, text.error().message);
    });
    return response;
}

HttpResponse backends(const HttpRequest&, const WithGateway& with_gateway) {
    return told(with_gateway, [](Gateway& gateway) { return backends_json(gateway); });
}

// Which flows are asked for, by what their backend sees.
struct Filter {
    std::optional<Endpoint> source;
    std::optional<Endpoint> backend;  // port 0: any

    bool takes(const LiveFlow& flow) const {
        return (!source || flow.backend.source == *source) && takes(flow.backend.destination);
    }
    bool takes(const Endpoint& seen) const {
        return !backend || (seen.ip == backend->ip && (backend->port == 0 || seen.port == backend->port));
    }
};

Result<Filter> filter_of(const HttpRequest& request) {
    Filter filter;
    for (const auto& [key, value] : request.query) {
        const auto endpoint = key == "source" ? Endpoint::parse(value) : Endpoint::parse_open(value);
        if (!endpoint) return endpoint.error().within(key);
        (key == "source" ? filter.source : filter.backend) = *endpoint;
    }
    return filter;
}

// Those that live where they cannot all be listed, and that may be meant.
uint64_t count_unlisted(const Living& retired, const Filter& filter) {
    uint64_t count = 0;
    for (const auto& [place, active] : retired.counts) count += filter.takes(place.second) ? active : 0;
    for (const LiveFlow& flow : retired.listed) count -= filter.takes(flow.backend.destination) ? 1 : 0;
    return count;
}

// A million flows would be a large tree: each becomes text at once.
HttpResponse flows(const HttpRequest& request, const WithGateway& with_gateway) {
    const auto filter = filter_of(request);
    if (!filter) return error_response(400, filter.error().message);
    std::string list;
    HttpResponse response;
    with_gateway([&](Gateway& gateway) {
        const auto show = [&](const LiveFlow& flow) {
            if (!filter->takes(flow)) return;
            list.append(list.empty() ? "" : ",").append(to_json(flow).dump());
        };
        const auto shown = gateway.engine.flows(show);
        const Living retired = gateway.retired_flows();
        std::ranges::for_each(retired.listed, show);
        response = shown ? HttpResponse{.body = fmt::format(R"({{"flows":[{}],"unlisted":{}}})", list,
                                                            count_unlisted(retired, *filter))}
                         : error_response(500, shown.error().message);
    });
    return response;
}

HttpResponse upgrade(const HttpRequest&, const WithGateway& with_gateway) {
    HttpResponse response;
    with_gateway([&](Gateway& gateway) {
        const auto pid = gateway.upgrade();
        response =
            pid ? HttpResponse{.body = ordered_json({{"pid", *pid}}).dump()} : error_response(409, pid.error().message);
    });
    return response;
}

HttpResponse document(const HttpRequest&, const WithGateway&) { return {.body = openapi_document()}; }

constexpr auto flow_parameters = std::to_array<Parameter>({
    {"source", "the client as its backend sees it, ADDRESS:PORT; default: any"},
    {"backend", "ADDRESS or ADDRESS:PORT; default: any"},
});
constexpr auto explain_parameters = std::to_array<Parameter>({
    {"client", "who calls, ADDRESS or ADDRESS:PORT", true},
    {"endpoint", "what it calls, ADDRESS:PORT", true},
    {"protocol", "tcp or udp; default: what the endpoint serves"},
    {"backend", "only this one, ADDRESS; default: all that take new flows"},
});

constexpr auto event_parameters = std::to_array<Parameter>({
    {"after",
     "the number of an event: those after it; `last`: those that are still to come; default: all that are kept"},
    {"follow", "`false`: those that are there by now, as JSON; default: `true`, a stream that goes on"},
    {"Last-Event-ID", "as `after`, which it overrules: where a reader that comes again has stopped", false, true},
});

constexpr auto event_failures = std::to_array<Failure>({
    {503, "as many readers follow as there may be, or the gateway begins, ends or hands over: ask again"},
});
constexpr auto explain_failures = std::to_array<Failure>({
    {404, "the service has no such backend"},
});
constexpr auto reload_failures = std::to_array<Failure>({
    {409, "there is nothing to reload: the services were given on the command line"},
    {422, "the configuration is refused, and nothing has changed"},
});
constexpr auto upgrade_failures = std::to_array<Failure>({
    {409, "the new process does not serve, and this one serves on"},
});
constexpr auto order_failures = std::to_array<Failure>({
    {404, "there is no such backend"},
});

constexpr auto table = std::to_array<Operation>({
    {"GET", "/v1/status", "who answers, what it serves, and what is wrong now", {}, {}, "Status", {}, status},
    {"GET",
     "/v1/services",
     "each service: where it listens, its backends, its flows",
     {},
     {},
     "Services",
     {},
     services},
    {"GET", "/v1/stats", "counters of each service, by path and by reason", {}, {}, "Stats", {}, stats},
    {"GET", "/metrics", "what is counted, for Prometheus: text, not JSON", {}, {}, {}, {}, metrics},
    {"GET",
     "/v1/backends",
     "every backend, whether it is up, why not, and how many flows it has",
     {},
     {},
     "Backends",
     {},
     backends},
    {"GET",
     "/v1/flows",
     "every flow, or those of a source or a backend, also in processes before an upgrade",
     flow_parameters,
     {},
     "Flows",
     {},
     flows},
    {"GET",
     "/v1/events",
     "what has happened, and goes on happening",
     event_parameters,
     {},
     "Events",
     event_failures,
     events,
     "an event each: its number is the `id`, its kind the `event`, and its `data` a line of JSON, as of the schema "
     "Event; first an `id` without one, the number after which this reader hears all; a comment shows now and then "
     "that the gateway lives"},
    {"GET",
     "/v1/explain",
     "what would happen to a client's new flow, leg by leg, and why",
     explain_parameters,
     {},
     "Explanation",
     explain_failures,
     explain},
    {"GET", "/v1/openapi.json", "this document", {}, {}, "Document", {}, document},
    {"POST",
     "/v1/upgrade",
     "starts the program's file anew, to serve in this one's place",
     {},
     {},
     "Upgraded",
     upgrade_failures,
     upgrade},
    {"POST",
     "/v1/reload",
     "reads the configuration anew, as SIGHUP does, and says what became of it",
     {},
     {},
     "Reloaded",
     reload_failures,
     reload},
    {"POST",
     "/v1/backends/drain",
     "leads no new flow to a backend, and leaves those that live",
     {},
     "Order",
     "Backends",
     order_failures,
     drain},
    {"POST", "/v1/backends/undrain", "ends that a backend drains", {}, "Order", "Backends", order_failures, undrain},
    {"POST",
     "/v1/backends/disable",
     "leads no flow to a backend, ends those that live, checks it no more",
     {},
     "Order",
     "Backends",
     order_failures,
     disable},
    {"POST", "/v1/backends/enable", "ends that a backend is disabled", {}, "Order", "Backends", order_failures, enable},
});

bool is_asked(const Operation& operation, const HttpRequest& request) {
    return request.method == operation.method || (request.method == "HEAD" && operation.method == "GET");
}

// "GET, HEAD"
std::string methods_at(std::span<const Operation> operations, std::string_view path) {
    std::vector<std::string_view> methods;
    for (const Operation& operation : operations) {
        if (operation.path != path) continue;
        methods.push_back(operation.method);
        if (operation.method == "GET") methods.emplace_back("HEAD");
    }
    return fmt::format("{}", fmt::join(methods, ", "));
}

HttpResponse no_operation(std::span<const Operation> operations, const HttpRequest& request) {
    const std::string methods = methods_at(operations, request.path);
    if (methods.empty()) return error_response(404, "there is no " + request.path);
    HttpResponse response = error_response(405, request.path + " can be asked with " + methods);
    response.allow = methods;
    return response;
}

// Nothing: the operation knows all of the request's parameters.
std::optional<std::string> unknown_parameter(const Operation& operation, const HttpRequest& request) {
    for (const auto& [key, value] : request.query) {
        std::vector<std::string_view> known;
        for (const Parameter& parameter : operation.parameters) {
            if (!parameter.is_header) known.push_back(parameter.name);
        }
        if (std::ranges::count(known, key) > 0) continue;
        return known.empty() ? request.path + " takes no parameters: there is no " + key
                             : fmt::format("there is no parameter {}, only {}", key, either(known));
    }
    return std::nullopt;
}

void log_change(const HttpRequest& request, const Operation& operation) {
    spdlog::info("API: {} {}, by {}: {}", request.method, request.path, who_asks(request), operation.summary);
}

}  // namespace

std::span<const Operation> operations() { return table; }

HttpResponse answer(std::span<const Operation> operations, const HttpRequest& request,
                    const WithGateway& with_gateway) {
    const auto operation = std::ranges::find_if(operations, [&](const Operation& candidate) {
        return candidate.path == request.path && is_asked(candidate, request);
    });
    if (operation == operations.end()) return no_operation(operations, request);
    if (const auto wrong = unknown_parameter(*operation, request)) return error_response(400, *wrong);
    if (operation->method != "GET") log_change(request, *operation);
    return operation->handle(request, with_gateway);
}

}  // namespace hairpin
