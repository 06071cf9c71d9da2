/* Where a packet goes next. What the kernel's routing and neighbour tables said is kept in the flow for a second. */
#pragma once

#include "engines/bpf/kern/flows.h"

#define HP_HOP_LASTS (1000000000 >> HP_TICK_BITS)

enum hp_way {
    HP_NO_WAY,
    HP_KNOWN,   /* half->hop has it */
    HP_RESOLVE, /* by the kernel: the neighbour is not known, or is to be asked whether it still lives */
    HP_CUT,     /* by the kernel, which makes fragments of it */
};

struct hp_route {
    enum hp_way way;
    __u32 link;
    __u32 mtu;
};

/* Of the IP packet that will be on the wire: one that the kernel has joined is taken apart again. */
static __always_inline __u32 hp_length(struct __sk_buff* skb, const struct hp_packet* packet) {
    return skb->gso_size ? packet->payload - HP_IP + packet->header + skb->gso_size : packet->length;
}

/* Asks the kernel, and keeps what it says. */
HP_APART int hp_ask_way(struct __sk_buff* skb, const struct hp_packet* packet, struct hp_half* half, __u32 now,
                        struct hp_route* route) {
    if (!packet || !half || !route) return 0;
    const struct hp_ends* to = &half->translated;
    const int v4 = hp_is_v4(&to->destination);
    /* No router's table leads there: back by the link that the client came by. */
    if (!v4 && half->hop.link && hp_is_link_local(&to->destination)) {
        route->way = HP_RESOLVE;
        route->mtu = ~0U;
        return 0;
    }
    struct bpf_fib_lookup fib;
    __builtin_memset(&fib, 0, sizeof fib);
    fib.family = v4 ? 2 /* AF_INET */ : 10 /* AF_INET6 */;
    fib.l4_protocol = half->protocol;
    fib.sport = to->source_port;
    fib.dport = to->destination_port;
    fib.tot_len = (__u16)hp_length(skb, packet);
    fib.ifindex = skb->ifindex;
    if (v4) {
        fib.ipv4_src = to->source.word[3];
        fib.ipv4_dst = to->destination.word[3];
    } else {
        __builtin_memcpy(fib.ipv6_src, &to->source, sizeof to->source);
        __builtin_memcpy(fib.ipv6_dst, &to->destination, sizeof to->destination);
    }
    const long found = bpf_fib_lookup(skb, &fib, sizeof fib, 0);
    route->way = HP_RESOLVE;
    route->link = fib.ifindex;
    route->mtu = fib.mtu_result;
    if (found == BPF_FIB_LKUP_RET_NO_NEIGH) {
        route->mtu = ~0U; /* not told; the next packet is judged */
        return 0;
    }
    if (found == BPF_FIB_LKUP_RET_FRAG_NEEDED) return 0;
    if (found != BPF_FIB_LKUP_RET_SUCCESS) {
        route->way = HP_NO_WAY;
        return 0;
    }
    /* A link that the daemon does not know yet is not kept. */
    const __u32 index = fib.ifindex;
    const struct hp_link* link = bpf_map_lookup_elem(&hp_links, &index);
    if (!link || !hp_is_mac(link->mac, fib.smac)) return 0;
    struct hp_hop* hop = &half->hop;
    hop->link = fib.ifindex;
    hop->mtu = fib.mtu_result;
    __builtin_memcpy(hop->to, fib.dmac, sizeof hop->to);
    __sync_lock_test_and_set(&hop->until, now + HP_HOP_LASTS); /* nat_xdp may be reading */
    return 0;
}

static __always_inline void hp_route(struct __sk_buff* skb, const struct hp_packet* packet, struct hp_half* half,
                                     __u32 now, struct hp_route* route) {
    const struct hp_hop* hop = &half->hop;
    route->way = HP_KNOWN;
    if (half->marks & (HP_VIA_LOOPBACK | HP_STAYS)) {
        route->link = HP_LOOPBACK;
        route->mtu = ~0U;
        return;
    }
    route->link = hop->link;
    route->mtu = hop->mtu;
    if ((__s32)(hop->until - now) <= 0) hp_ask_way(skb, packet, half, now, route);
}
