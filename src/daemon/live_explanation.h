// What would happen to one flow now, as the gateway serves.
#pragma once

#include "daemon/gateway.h"
#include "daemon/http_server.h"

namespace hairpin {

// An operation of the API: an Explanation for `client` and `endpoint`, and `protocol` and `backend` where they are
// given, by the engine that runs and among those backends that take new flows. Its notes say what keeps the others from
// it.
HttpResponse explain(const HttpRequest& request, const WithGateway& with_gateway);

}  // namespace hairpin
