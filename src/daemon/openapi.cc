#include "daemon/openapi.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "daemon/api_schemas.h"

namespace hairpin {
namespace {

using nlohmann::ordered_json;

constexpr std::string_view introduction =
    "What a running hairpin can be asked, on its Unix socket: `curl --unix-socket /run/hairpin/hairpin.sock "
    "http://hairpin/v1/status`. Where `api.listen` is configured, on that loopback port as well, but for the list of "
    "flows and all "
    "that changes something. Members may be added to answers; none changes its meaning or goes away within /v1.";

ordered_json content(std::string_view type, std::string_view schema) {
    const ordered_json held = schema.empty() ? ordered_json{{"type", "string"}}
                                             : ordered_json{{"$ref", "#/components/schemas/" + std::string(schema)}};
    return {{std::string(type), {{"schema", held}}}};
}

ordered_json error(std::string_view meaning) {
    return {{"description", meaning}, {"content", content("application/json", "Error")}};
}

// "post", as OpenAPI has it.
std::string method_of(const Operation& operation) {
    std::string method(operation.method);
    std::ranges::transform(method, method.begin(), [](unsigned char c) { return std::tolower(c); });
    return method;
}

// As clients that are generated call it: "/v1/backends/drain" of POST becomes "postBackendsDrain".
std::string name_of(const Operation& operation) {
    std::string name = method_of(operation);
    std::string_view path = operation.path;
    if (path.starts_with("/v1")) path.remove_prefix(3);
    bool begins = false;
    for (const char c : path.substr(0, path.find('.'))) {
        if (c != '/') name += begins ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : c;
        begins = c == '/';
    }
    return name;
}

ordered_json responses(const Operation& operation) {
    const bool is_json = !operation.answer.empty();
    ordered_json all = {{"200",
                         {{"description", operation.summary},
                          {"content", content(is_json ? "application/json" : "text/plain", operation.answer)}}}};
    if (!operation.stream.empty()) {
        all["200"]["content"]["text/event-stream"]["schema"] = {{"type", "string"}, {"description", operation.stream}};
    }
    for (const Failure& failure : operation.failures) all[std::to_string(failure.status)] = error(failure.why);
    all["default"] = error(
        "400: a parameter or a body that cannot be understood; 500: the engine cannot say or do it; "
        "503: the gateway begins, ends or hands over: ask again");
    return all;
}

ordered_json describe(const Operation& operation) {
    ordered_json told = {{"operationId", name_of(operation)}, {"summary", operation.summary}};
    for (const Parameter& parameter : operation.parameters) {
        told["parameters"].push_back({{"name", parameter.name},
                                      {"in", parameter.is_header ? "header" : "query"},
                                      {"required", parameter.required},
                                      {"description", parameter.description},
                                      {"schema", {{"type", "string"}}}});
    }
    if (!operation.request.empty()) {
        told["requestBody"] = {{"required", true}, {"content", content("application/json", operation.request)}};
    }
    told["responses"] = responses(operation);
    return told;
}

}  // namespace

ordered_json openapi(std::span<const Operation> operations) {
    auto paths = ordered_json::object();
    for (const Operation& operation : operations) {
        paths[std::string(operation.path)][method_of(operation)] = describe(operation);
    }
    return {{"openapi", "3.1.0"},
            {"info", {{"title", "hairpin"}, {"version", HAIRPIN_VERSION}, {"description", introduction}}},
            {"servers", {{{"url", "http://hairpin"}, {"description", "over the Unix socket; the name is ignored"}}}},
            {"paths", std::move(paths)},
            {"components", {{"schemas", api_schemas()}}}};
}

std::string openapi_document() { return openapi(operations()).dump(2) + "\n"; }

}  // namespace hairpin
