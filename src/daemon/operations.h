// What can be asked of a running daemon over HTTP: one table, from which come the answers, their errors and the order
// of things in documents.
#pragma once

#include <span>
#include <string_view>

#include "daemon/gateway.h"
#include "daemon/http_server.h"

namespace hairpin {

struct Parameter {
    std::string_view name;
    std::string_view description;
    bool required = false;
    bool is_header = false;  // else it stands in the query of the URL
};

// A status that only some operations have.
struct Failure {
    int status;
    std::string_view why;
};

struct Operation {
    std::string_view method;  // "GET", which HEAD may ask for, too; every other one changes something, and is logged
    std::string_view path;
    std::string_view summary;  // what it does, in a line
    std::span<const Parameter> parameters;
    std::string_view request;  // the schema of the body in api_schemas.h; empty: it is not looked at
    std::string_view answer;   // likewise; empty: it is text
    std::span<const Failure> failures;
    // On the HTTP server's thread, with parameters of the table alone.
    HttpResponse (*handle)(const HttpRequest& request, const WithGateway& with_gateway);
    std::string_view stream = {};  // what it sends as text/event-stream, unless `answer` is asked for; empty: nothing
};

std::span<const Operation> operations();

// The answer of the one operation that is asked for, or which of them there would be: 404 for an unknown path, 405 for
// another method, 400 for an unknown parameter. Who asks for a change is logged with what for.
HttpResponse answer(std::span<const Operation> operations, const HttpRequest& request, const WithGateway& with_gateway);

}  // namespace hairpin
