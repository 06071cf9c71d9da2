#include "engines/bpf/kern/nat_tc.bpf.c"
