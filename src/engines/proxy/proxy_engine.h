// The proxy engine: serves every endpoint from user space, without privileges.
#pragma once

#include <memory>

#include "engines/engine.h"

namespace hairpin {

std::unique_ptr<Engine> make_proxy_engine(EngineOptions options);

}  // namespace hairpin
