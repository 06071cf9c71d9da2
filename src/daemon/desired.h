// desired = configuration x health x topology: what the engine is to serve.
#pragma once

#include <memory>

#include "engines/engine.h"
#include "model/in_service.h"

namespace hairpin {

// The services as configured, each with those backends alone that new flows are to be led to, which may be none. It is
// `configured` itself where that are all of them. Pure.
std::shared_ptr<const Desired> make_desired(std::shared_ptr<const Desired> configured, const IsUp& is_up);

}  // namespace hairpin
