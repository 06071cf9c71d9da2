/* Fragments of a datagram, of which only the first has ports.
 *
 * Theory of operation. The first leaves the ports in a table, and those after it find them there. What comes before it
 * is copied, and dropped. Once the first has come and its flow is there, it and the copies are put on the link once
 * more, the first at the head, as if they arrived now. What all of them may take up is bounded, and so is the time.
 *
 * Who comes first is told by one number: each that waits adds one to it, and the first sets it so high that nobody
 * waits any more. Who has left a copy looks at the number again, and takes the copy back if the first has come
 * meanwhile.
 *
 * A datagram leaves under an identification of our own: who shares an address behind the gateway does not share a
 * counter (RFC 6864 5.3, RFC 7857 10). */
#pragma once

#include "engines/bpf/kern/flows.h"
#include "engines/bpf/kern/rewrite.h"

#define HP_FRAGMENTS_LAST (2000000000U >> HP_TICK_BITS)

enum hp_meeting {
    HP_MET,     /* the packet has the ports of its datagram, and the identification under which it leaves */
    HP_UNMET,   /* nobody knows its ports */
    HP_PUT_OFF, /* there is a copy of it */
    HP_FORGED,  /* it is from outside, and claims to be from inside */
};

static __always_inline void hp_fragment_of(const struct hp_packet* packet, struct hp_fragment* fragment) {
    __builtin_memset(fragment, 0, sizeof *fragment);
    fragment->source = packet->tuple.source;
    fragment->destination = packet->tuple.destination;
    fragment->id = packet->id;
    fragment->protocol = packet->tuple.protocol;
}

/* To a service, or from a backend. */
static __always_inline int hp_may_be_ours(const struct hp_fragment* fragment) {
    return hp_is_known(&fragment->destination, 0, fragment->protocol) ||
           hp_is_known(&fragment->source, 0, fragment->protocol | HP_KNOWN_BACKEND);
}

static __always_inline int hp_is_forged(struct __sk_buff* skb, const struct hp_fragment* fragment) {
    return hp_is_outside(skb->ifindex) && hp_lies_in(HP_INSIDE, &fragment->source);
}

/* By an access that no other overtakes, on any processor. */
static __always_inline __u64 hp_state_of(struct hp_datagram* datagram) {
    return __sync_fetch_and_add(&datagram->state, 0);
}

static __always_inline int hp_first_has_come(__u64 state) { return (__u32)state >= HP_FIRST_CAME; }

static __always_inline __u64 hp_begun(__u32 now) { return (__u64)(now + HP_FRAGMENTS_LAST) << 32; }

/* Made where there is none; begun anew where it is so old that its identification may have come round. */
static __always_inline struct hp_datagram* hp_datagram_of(const struct hp_fragment* fragment, __u32 now) {
    struct hp_datagram* datagram = bpf_map_lookup_elem(&hp_datagrams, fragment);
    if (!datagram) {
        const struct hp_datagram made = {.state = hp_begun(now)};
        bpf_map_update_elem(&hp_datagrams, fragment, &made, BPF_NOEXIST);
        return bpf_map_lookup_elem(&hp_datagrams, fragment);
    }
    const __u64 state = hp_state_of(datagram);
    if ((__s32)((__u32)(state >> 32) - now) <= 0) {
        __sync_bool_compare_and_swap(&datagram->state, state, hp_begun(now));
    }
    return datagram;
}

static __always_inline int hp_seize(struct hp_copy* copy, __u32 state) {
    return __sync_bool_compare_and_swap(&copy->state, state, HP_COPY_BUSY);
}

static __always_inline void hp_let_go(struct hp_copy* copy, __u32 state) {
    __sync_lock_test_and_set(&copy->state, state);
}

/* A place for a copy, in place of the one that has waited the longest. */
static __always_inline struct hp_copy* hp_place(void) {
    const __u32 zero = 0;
    __u32* turn = bpf_map_lookup_elem(&hp_turn, &zero);
    if (!turn) return 0;
    const __u32 place = __sync_fetch_and_add(turn, 1) % HP_MOST_COPIES;
    struct hp_copy* copy = bpf_map_lookup_elem(&hp_copies, &place);
    return copy && (hp_seize(copy, HP_COPY_NONE) || hp_seize(copy, HP_COPY_KEPT)) ? copy : 0;
}

/* Tells the verifier of a size what is known anyway, in a way that the compiler does not see through. */
static __always_inline __u32 hp_bounded(__u32 size) {
    --size;
    asm volatile("" : "+r"(size));
    return size % HP_COPY_BYTES + 1;
}

/* Keeps a copy until the first comes. Returns 0 where it does not, or where the first has come meanwhile. */
static __always_inline int hp_keep(struct __sk_buff* skb, const struct hp_fragment* fragment,
                                   struct hp_datagram* datagram) {
    const __u32 length = skb->len - HP_IP;
    if (!length || length > HP_COPY_BYTES) return 0;
    const __u64 state = __sync_fetch_and_add(&datagram->state, 1);
    if ((__u32)state >= HP_MOST_EARLY) return 0;
    struct hp_copy* copy = hp_place();
    if (!copy) return 0;
    copy->of = *fragment;
    copy->until = state >> 32;
    copy->link = skb->ifindex;
    copy->length = length;
    if (bpf_skb_load_bytes(skb, HP_IP, copy->packet, hp_bounded(length))) {
        hp_let_go(copy, HP_COPY_NONE);
        return 0;
    }
    hp_let_go(copy, HP_COPY_KEPT);
    if (!hp_first_has_come(hp_state_of(datagram)) || !hp_seize(copy, HP_COPY_KEPT)) return 1;
    hp_let_go(copy, HP_COPY_NONE);
    return 0;
}

static __always_inline int hp_is_copy_of(const struct hp_copy* copy, const struct hp_fragment* fragment, __u32 until,
                                         __u32 link) {
    return copy->until == until && copy->link == link && copy->of.id == fragment->id &&
           copy->of.protocol == fragment->protocol && hp_same(&copy->of.source, &fragment->source) &&
           hp_same(&copy->of.destination, &fragment->destination);
}

/* Puts what waits in a place on the link that the packet came by, in place of the packet. */
HP_APART int hp_release(struct __sk_buff* skb, const struct hp_fragment* fragment, __u32 place, __u32 until) {
    struct hp_copy* copy = bpf_map_lookup_elem(&hp_copies, &place);
    if (!fragment || !copy || !hp_is_copy_of(copy, fragment, until, skb->ifindex)) return 0;
    if (!hp_seize(copy, HP_COPY_KEPT)) return 0;
    if (!hp_is_copy_of(copy, fragment, until, skb->ifindex)) { /* it has given way meanwhile */
        hp_let_go(copy, HP_COPY_KEPT);
        return 0;
    }
    const __u32 length = hp_bounded(copy->length);
    const int failed = bpf_skb_change_tail(skb, HP_IP + length, 0) ||
                       bpf_skb_store_bytes(skb, HP_IP, copy->packet, length, BPF_F_RECOMPUTE_CSUM);
    hp_let_go(copy, HP_COPY_NONE);
    return !failed && !bpf_clone_redirect(skb, skb->ifindex, BPF_F_INGRESS);
}

/* Whether it can be put on its link once more: on `lo`, the kernel would take it for forged then. */
static __always_inline int hp_may_wait(struct __sk_buff* skb, int arrives) {
    return arrives && skb->ifindex != HP_LOOPBACK;
}

/* One that is not the first. */
HP_APART int hp_meet(struct __sk_buff* skb, struct hp_packet* packet, int arrives) {
    if (!packet) return HP_UNMET;
    struct hp_fragment fragment;
    hp_fragment_of(packet, &fragment);
    if (!hp_may_be_ours(&fragment)) return HP_UNMET;
    if (hp_is_forged(skb, &fragment)) return HP_FORGED;
    struct hp_datagram* datagram = hp_datagram_of(&fragment, hp_now());
    if (!datagram) return HP_UNMET;
    if (!hp_first_has_come(hp_state_of(datagram)) && hp_may_wait(skb, arrives) && hp_keep(skb, &fragment, datagram))
        return HP_PUT_OFF;
    if (!hp_first_has_come(hp_state_of(datagram))) return HP_UNMET;
    packet->tuple.source_port = datagram->source_port;
    packet->tuple.destination_port = datagram->destination_port;
    packet->id = datagram->id;
    return HP_MET;
}

/* The first, of whose flow is known what is to be known. Returns whether it comes once more, before those that have
 * waited for it. */
HP_APART int hp_meet_first(struct __sk_buff* skb, struct hp_packet* packet, int arrives) {
    if (!packet) return 0;
    struct hp_fragment fragment;
    hp_fragment_of(packet, &fragment);
    if (!hp_may_be_ours(&fragment) || hp_is_forged(skb, &fragment)) return 0;
    const __u32 now = hp_now();
    struct hp_datagram* datagram = hp_datagram_of(&fragment, now);
    if (!datagram) return 0;
    datagram->source_port = packet->tuple.source_port;
    datagram->destination_port = packet->tuple.destination_port;
    if (!hp_first_has_come(hp_state_of(datagram))) datagram->id = bpf_get_prandom_u32();
    packet->id = datagram->id;
    const __u64 state = __sync_lock_test_and_set(&datagram->state, hp_begun(now) | HP_FIRST_CAME);
    __u32 early = (__u32)state;
    if (!early || early >= HP_FIRST_CAME || !hp_may_wait(skb, arrives)) return 0;
    if (bpf_clone_redirect(skb, skb->ifindex, BPF_F_INGRESS)) return 0;
    for (__u32 place = 0; place < HP_MOST_COPIES && early; ++place) {
        early -= hp_release(skb, &fragment, place, state >> 32);
    }
    return 1;
}

static __always_inline void hp_renumber_v4(struct iphdr* ip, __be16 id) {
    ip->check = hp_changed(ip->check, (__u64)(__u16)~ip->id + id);
    ip->id = id;
}

/* Gives a fragment the identification under which its datagram leaves. */
HP_APART int hp_renumber(struct __sk_buff* skb, const struct hp_packet* packet) {
    if (!packet) return 0;
    if (hp_is_v4(&packet->tuple.source)) {
        struct iphdr* ip = hp_at(skb, HP_IP, sizeof *ip);
        if (ip) hp_renumber_v4(ip, (__u16)packet->id);
    } else {
        struct hp_fragment_header* fragment = hp_at(skb, packet->fragment, sizeof *fragment);
        if (fragment) fragment->id = packet->id;
    }
    return 0;
}

/* Whether the kernel may make fragments of a packet, which gets ready for that. A datagram that has seen no link but
 * `lo` says nothing of others: its sender would have cut it for them. */
HP_APART int hp_may_be_cut(struct __sk_buff* skb, const struct hp_packet* packet) {
    if (!packet || !hp_is_v4(&packet->tuple.source)) return 0;
    struct iphdr* ip = hp_at(skb, HP_IP, sizeof *ip);
    if (!ip) return 0;
    if (ip->frag_off & bpf_htons(HP_IP_DONT)) {
        if (skb->ifindex != HP_LOOPBACK || ip->protocol != IPPROTO_UDP) return 0;
        ip->check = hp_changed(ip->check, (__u16)~bpf_htons(HP_IP_DONT));
        ip->frag_off &= bpf_htons(~HP_IP_DONT);
    }
    if (!(ip->frag_off & bpf_htons(HP_IP_MORE | HP_IP_OFFSET))) hp_renumber_v4(ip, (__u16)bpf_get_prandom_u32());
    return 1;
}
