// How long connection tracking will remember a flow.
#pragma once

#include <chrono>
#include <optional>

#include "lab/host.h"
#include "model/flow.h"

namespace hairpin {

// Of the flow that came to the host as `client` says; nothing: it knows of none. Whole seconds, rounded down.
std::optional<std::chrono::seconds> tracked_for(const lab::Host& host, const Leg& client);

}  // namespace hairpin
