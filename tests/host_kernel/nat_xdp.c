/* hp_in_driver(), as functions of this machine. */
#define LICENSE LICENSE_of_xdp
#include "engines/bpf/kern/nat_xdp.bpf.c"
