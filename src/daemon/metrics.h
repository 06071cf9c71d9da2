// What the gateway counts, in the text format of Prometheus: the border to prometheus-cpp.
#pragma once

#include <string>

#include "daemon/gateway.h"

namespace hairpin {

inline constexpr const char* metrics_content_type = "text/plain; version=0.0.4; charset=utf-8";

// By service, path, backend and reason, with a line of help each.
Result<std::string> metrics_text(Gateway& gateway);

}  // namespace hairpin
