// Packets made by the kernel itself, faster than any program could send them: BPF_PROG_TEST_RUN with live frames
// (kernel: net/bpf/test_run.c). They leave the client's link like any others.
#pragma once

#include "arena.h"

namespace hairpin::bench {

// UDP datagrams of 60 bytes from `flows` sources, each chosen at random, from a client of `arena` to what answers
// requests. Returns how many a second reach the backend's host, where they are dropped on arrival. The call that sends
// ends with a pause of some 25 ms; with 2^20 frames or more it does not count.
//
// At most 1,000,000 flows. Needs CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON beyond any user namespace.
Result<double> packets_per_second(const Arena& arena, Path path, uint32_t flows, uint32_t frames);

}  // namespace hairpin::bench
