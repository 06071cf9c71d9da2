// Events as the API tells them.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "daemon/events.h"

namespace hairpin {

// {"number": 1764212345678003, "time": "2025-11-27T03:02:11.123Z", "kind": "backend_down", "level": "warning",
// "message": "service web: backend 10.0.0.2:80 is down: connection refused", "service": "web", "backend":
// "10.0.0.2:80", "reason": "connection refused", "by": "check"}: the first five always, of the others those that apply.
nlohmann::ordered_json to_json(const NumberedEvent& numbered);

// The same as an event of a text/event-stream (WHATWG HTML, 9.2): its number is the id, its kind the type.
std::string stream_text(const NumberedEvent& event);

// No event, but a number from which a reader can go on that has heard none.
std::string stream_text(uint64_t number);

}  // namespace hairpin
