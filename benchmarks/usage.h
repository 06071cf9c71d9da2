// What work costs the machine: CPU time and memory, as the kernel counts them.
#pragma once

#include <sys/types.h>

namespace hairpin::bench {

// Seconds of CPU time so far, of all cores together.
double machine_cpu();            // all but idle time, proc_stat(5)
double process_cpu(pid_t root);  // of a process and its descendants

// Bytes of memory of a process and its descendants in user space, shared pages counted by the share (Pss).
double process_memory(pid_t root);

}  // namespace hairpin::bench
