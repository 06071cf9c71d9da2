// Who may ask over TCP. On a loopback port that is everybody on this machine, without a password, and any web page that
// one of them looks at: they may read, but for the list of flows, which may be long and says who talks to whom. A page
// of a name that leads here (DNS rebinding) may not even that, for the browser would show it the answer; such a request
// names a host that is none of this machine's.
#pragma once

#include <optional>

#include "daemon/http_server.h"

namespace hairpin {

// Nothing: it may be answered. Else status 403, with the reason. Pure.
std::optional<HttpResponse> refuse_over_tcp(const HttpRequest& request);

}  // namespace hairpin
