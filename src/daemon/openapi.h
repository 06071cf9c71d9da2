// The API as an OpenAPI document (openapis.org, 3.1), made from the table of operations.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>

#include "daemon/operations.h"

namespace hairpin {

// Pure. Each operation's `answer` and `request` are among its schemas.
nlohmann::ordered_json openapi(std::span<const Operation> operations);

// Of all that a gateway can be asked: what docs/openapi.json holds, with a line feed at its end.
std::string openapi_document();

}  // namespace hairpin
