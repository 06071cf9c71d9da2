// Operations of the API that change something.
#pragma once

#include "daemon/gateway.h"
#include "daemon/http_server.h"

namespace hairpin {

// POST /v1/reload: {"serving": "2 services on 3 endpoints"}; 422 with the reasons under "errors", each with its place,
// where nothing has changed; 409 where there is nothing to reload.
HttpResponse reload(const HttpRequest& request, const WithGateway& with_gateway);

}  // namespace hairpin
