// Where packets meet a program before Linux 6.6, which brought TCX: a filter of the clsact qdisc, tc-bpf(8). It
// outlives who put it there. In the calling thread's network namespace.
#pragma once

#include "base/result.h"

namespace hairpin::bpf {

enum class Direction { in, out };

// Puts the program in the place of the one that we have there, without a packet passing in between. It runs before
// filters of others with a priority number above ours, 7.
Result<> put_filter(int link, Direction direction, int program);

// And the qdisc, if there is no other filter: as good as if it had never been.
void remove_filter(int link, Direction direction);

}  // namespace hairpin::bpf
