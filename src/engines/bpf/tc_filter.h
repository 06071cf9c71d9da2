// Where packets meet a program before Linux 6.6, which brought TCX: a filter of the clsact qdisc, tc-bpf(8). It
// outlives who put it there. In the calling thread's network namespace.
#pragma once

#include "base/result.h"

namespace hairpin::bpf {

enum class Direction { in, out };

// Puts the program in the place of the one that we have there, without a packet passing in between. It runs before
// filters of others with a priority number above ours, 7. A link that has just gone is no error.
Result<> put_filter(int link, Direction direction, int program);

// And the qdisc, if nobody has a filter there.
void remove_filter(int link, Direction direction);

}  // namespace hairpin::bpf
