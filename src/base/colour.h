// Whether people want colour.
#pragma once

namespace hairpin {

// True if text written to this descriptor may have colour: a terminal, and NO_COLOR (no-color.org) is not set or empty.
bool wants_colour(int fd);

}  // namespace hairpin
