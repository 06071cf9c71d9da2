// GET /v1/events.
#pragma once

#include "daemon/gateway.h"
#include "daemon/http_server.h"

namespace hairpin {

// The events that are kept, those after a number alone if `after` or the header Last-Event-ID gives one, and then each
// as it comes: a text/event-stream. With `follow=false` those that are kept, as {"events": [...]}.
HttpResponse events(const HttpRequest& request, const WithGateway& with_gateway);

}  // namespace hairpin
