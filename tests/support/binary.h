// The program under test.
#pragma once

#include <cstdlib>
#include <string>

namespace hairpin {

// The one that was built with the tests, or another: HAIRPIN=/usr/bin/hairpin in the environment.
inline std::string hairpin_binary() {
    const char* other = std::getenv("HAIRPIN");
    return other ? other : HAIRPIN_BINARY;
}

}  // namespace hairpin
