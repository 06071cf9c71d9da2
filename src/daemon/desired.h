// desired = configuration x administration x health x topology: what the engine is to serve.
#pragma once

#include <memory>

#include "daemon/administration.h"
#include "engines/engine.h"
#include "model/in_service.h"

namespace hairpin {

// The services as configured, each with those backends alone that new flows are to be led to, which may be none. It is
// `configured` itself where that are all of them. What an operator has taken out is in nobody's count: `when_none: all`
// does not bring it back. Pure.
std::shared_ptr<const Desired> make_desired(std::shared_ptr<const Desired> configured, const IsUp& is_up,
                                            const Administration& administration);

}  // namespace hairpin
