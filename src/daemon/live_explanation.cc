#include "daemon/live_explanation.h"

#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "config/values.h"
#include "daemon/explanation.h"

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

// Backends of the service that take no new flow, and why.
std::vector<std::string> at_rest(const Gateway& gateway, const Service& serving) {
    const auto configured = std::ranges::find(gateway.services(), serving.name, &Service::name);
    if (configured == gateway.services().end()) return {};
    std::vector<std::string> notes;
    const ordered_json told = gateway.health.to_json({*configured}, {serving});
    for (const ordered_json& backend : told.at("backends")) {
        if (backend.at("serving").get<bool>()) continue;
        const bool waits = backend.at("backup").get<bool>() && backend.at("state") != "down";
        const ordered_json& reason = backend.at("reason");
        notes.push_back(fmt::format("backend {} takes no new flows: {}{}", backend.at("backend").get<std::string>(),
                                    waits ? "a backup, while others do" : backend.at("state").get<std::string>(),
                                    reason.is_null() ? "" : ", " + reason.get<std::string>()));
    }
    return notes;
}

Explanation explain(const Gateway& gateway, const Question& question) {
    const auto& [ruleset, topology] = gateway.serving;
    const Leg client = {question.protocol.value_or(protocol_served(ruleset, question.endpoint)), question.client,
                        question.endpoint};
    const EngineView engine = {std::string(gateway.engine.name()), gateway.engine.abilities(),
                               gateway.engine.gaps(ruleset)};
    Explanation explanation = explain(ruleset, topology, client, {&engine, 1}, question.backend);
    explanation.network = "this gateway, as it serves now";
    if (explanation.service) {
        for (std::string& note : at_rest(gateway, *explanation.service)) explanation.notes.push_back(std::move(note));
    }
    return explanation;
}

}  // namespace

HttpResponse explain(const HttpRequest& request, const WithGateway& with_gateway) {
    const auto question = question_of(request);
    if (!question) return error_response(400, question.error().message);
    HttpResponse response;
    with_gateway([&](Gateway& gateway) { response = json_response(200, to_json(explain(gateway, *question))); });
    return response;
}

}  // namespace hairpin
