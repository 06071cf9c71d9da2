#include "daemon/live_explanation.h"

#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "config/values.h"
#include "daemon/explanation.h"
#include "model/slots.h"

namespace hairpin {
namespace {

using nlohmann::ordered_json;

struct Question {
    Endpoint client;  // port 0: any
    Endpoint endpoint;
    std::optional<Protocol> protocol;
    std::optional<Ip> backend;
};

// Puts a value where it belongs.
template <class Value, class Place>
Result<> take(const Result<Value>& value, Place& place) {
    if (!value) return value.error();
    place = *value;
    return {};
}

Result<> take(Question& question, const std::string& key, const std::string& value) {
    if (key == "client") return take(Endpoint::parse_open(value), question.client);
    if (key == "endpoint") return take(Endpoint::parse(value), question.endpoint);
    if (key == "protocol") return take(parse_name<Protocol>(value), question.protocol);
    return take(Ip::parse(value), question.backend);
}

Result<Question> question_of(const HttpRequest& request) {
    for (const std::string_view needed : {"client", "endpoint"}) {
        if (!request.query.contains(needed)) {
            return Error{fmt::format("{} is missing: {}?client=ADDRESS&endpoint=ADDRESS:PORT", needed, request.path)};
        }
    }
    Question question;
    for (const auto& [key, value] : request.query) {
        if (const auto taken = take(question, key, value); !taken) return taken.error().within(key);
    }
    if (question.client.ip.family() != question.endpoint.ip.family()) {
        return Error{"client: a client calls an endpoint of its own address family"};
    }
    return question;
}

// Why a backend takes no new flows, as backends_json.h tells of it.
std::string why_at_rest(const ordered_json& backend, bool others_serve) {
    const auto state = backend.at("state").get<std::string>();
    if (state == "up" || state == "unchecked") {
        return others_serve && backend.at("backup").get<bool>() ? "a backup, while others do"
                                                                : "the service refuses them";
    }
    const ordered_json& reason = backend.at("reason");
    return reason.is_null() ? state : state + ", " + reason.get<std::string>();
}

// What keeps backends of the service from new flows.
std::vector<std::string> at_rest(const Gateway& gateway, const Service& configured, const Service& serving) {
    std::vector<std::string> notes;
    if (auto panic = gateway.health.panic(configured)) notes.push_back(*std::move(panic));
    ordered_json told = gateway.health.to_json({configured}, {serving});
    gateway.discovery.add_unresolved({configured}, told.at("backends"));
    for (const ordered_json& backend : told.at("backends")) {
        if (backend.at("serving").get<bool>()) continue;
        notes.push_back(fmt::format("backend {} takes no new flows: {}", backend.at("backend").get<std::string>(),
                                    why_at_rest(backend, takes_new_flows(serving))));
    }
    return notes;
}

Result<ordered_json> explain(const Gateway& gateway, const Question& question) {
    const auto& [ruleset, topology] = gateway.serving;
    const Leg client = {question.protocol.value_or(protocol_served(ruleset, question.endpoint)), question.client,
                        question.endpoint};
    const EngineView engine = {std::string(gateway.engine.name()), gateway.engine.abilities(),
                               gateway.engine.gaps(ruleset)};
    Explanation explanation = explain(ruleset, topology, client, {&engine, 1}, question.backend);
    explanation.network = "this gateway, as it serves now";
    if (!explanation.service) return to_json(explanation);
    const Service& serving = *explanation.service;
    const Service& configured = *std::ranges::find(gateway.services(), serving.name, &Service::name);
    const auto is_asked_for = [&](const Backend& backend) { return backend.endpoint.ip == question.backend; };
    if (question.backend && std::ranges::none_of(configured.backends, is_asked_for)) {
        return no_such_backend(serving, *question.backend);
    }
    for (std::string& note : at_rest(gateway, configured, serving)) explanation.notes.push_back(std::move(note));
    return to_json(explanation);
}

}  // namespace

HttpResponse explain(const HttpRequest& request, const WithGateway& with_gateway) {
    const auto question = question_of(request);
    if (!question) return error_response(400, question.error().message);
    HttpResponse response;
    with_gateway([&](Gateway& gateway) {
        const auto explained = explain(gateway, *question);
        response = explained ? json_response(200, *explained) : error_response(404, explained.error().message);
    });
    return response;
}

}  // namespace hairpin
