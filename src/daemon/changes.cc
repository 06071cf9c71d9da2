#include "daemon/changes.h"

#include <nlohmann/json.hpp>
#include <optional>

namespace hairpin {
namespace {

using nlohmann::ordered_json;

// What stands in a configuration may be no UTF-8.
HttpResponse json_response(int status, const ordered_json& json) {
    return {.status = status, .body = json.dump(-1, ' ', false, ordered_json::error_handler_t::replace)};
}

}  // namespace

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
