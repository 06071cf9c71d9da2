// Operations of the API that change something.
#pragma once

#include "daemon/gateway.h"
#include "daemon/http_server.h"

namespace hairpin {

// POST /v1/reload: {"serving": "2 services on 3 endpoints"}; 422 with the reasons under "errors", each with its place,
// where nothing has changed; 409 where there is nothing to reload.
HttpResponse reload(const HttpRequest& request, const WithGateway& with_gateway);

// POST /v1/backends/ORDER with {"backend": "10.0.0.2:80", "service": "web"}: `backend` as BackendPattern has it;
// without `service` in all of them. Answered with the backends that were meant, as backends_json.h tells them; 404
// where there is none.
HttpResponse drain(const HttpRequest& request, const WithGateway& with_gateway);
HttpResponse undrain(const HttpRequest& request, const WithGateway& with_gateway);
HttpResponse disable(const HttpRequest& request, const WithGateway& with_gateway);
HttpResponse enable(const HttpRequest& request, const WithGateway& with_gateway);

}  // namespace hairpin
