/* hp_arrives() and hp_leaves(), as functions of this machine. */
#include "engines/bpf/kern/nat_tc.bpf.c"
