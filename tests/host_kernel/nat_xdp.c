#define LICENSE LICENSE_of_xdp
#include "engines/bpf/kern/nat_xdp.bpf.c"
