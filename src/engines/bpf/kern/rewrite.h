/* Puts the new addresses into a packet. */
#pragma once

#include "engines/bpf/kern/parse.h"

/* `hops`: 1 where the packet travels on, 0 where it has just begun. */
static __always_inline int hp_rewrite_v4(hp_frame* frame, const struct hp_ends* to, int hops) {
    struct iphdr* ip = hp_at(frame, HP_IP, sizeof *ip);
    if (!ip) return -1;
    const __be32 source = to->source.word[3], destination = to->destination.word[3];
    __u64 change = (__u64)(__u32)~ip->saddr + source + (__u32)~ip->daddr + destination;
    /* The time to live is the high byte of its 16 bits. */
    change += hops ? (__u16)~bpf_htons(0x0100) : 0;
    ip->saddr = source;
    ip->daddr = destination;
    ip->ttl -= hops;
    ip->check = hp_changed(ip->check, change);
    return 0;
}

static __always_inline int hp_rewrite_v6(hp_frame* frame, const struct hp_ends* to, int hops) {
    struct ipv6hdr* ip = hp_at(frame, HP_IP, sizeof *ip);
    if (!ip) return -1;
    __builtin_memcpy(&ip->saddr, &to->source, sizeof to->source);
    __builtin_memcpy(&ip->daddr, &to->destination, sizeof to->destination);
    ip->hop_limit -= hops;
    return 0;
}

static __always_inline int hp_rewrite_ip(hp_frame* frame, const struct hp_ends* to, int hops) {
    return hp_is_v4(&to->source) ? hp_rewrite_v4(frame, to, hops) : hp_rewrite_v6(frame, to, hops);
}
