#include "base/colour.h"

#include <unistd.h>

#include <cstdlib>

namespace hairpin {

bool wants_colour(int fd) {
    const char* refused = std::getenv("NO_COLOR");
    return isatty(fd) == 1 && (!refused || !*refused);
}

}  // namespace hairpin
