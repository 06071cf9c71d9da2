/* Fragments of a datagram, of which only the first has ports.
 *
 * Theory of operation. The first leaves the ports in a table, and those after it find them there. What comes before it
 * is copied into another table, and dropped. When the first comes, it and the copies are put on the link once more, as
 * if they arrived now and in order. What one datagram and all of them may take up is bounded, and so is the time.
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
    HP_PUT_OFF, /* it is held, or put on the link anew */
};

static __always_inline void hp_fragment_of(const struct hp_packet* packet, struct hp_fragment* fragment) {
    __builtin_memset(fragment, 0, sizeof *fragment);
    fragment->source = packet->tuple.source;
    fragment->destination = packet->tuple.destination;
    fragment->id = packet->id;
    fragment->protocol = packet->tuple.protocol;
}

/* Begun where there is none, or one so old that its identification has come round. */
static __always_inline struct hp_datagram* hp_datagram_of(const struct hp_fragment* fragment) {
    const __u32 now = hp_now();
    struct hp_datagram* datagram = bpf_map_lookup_elem(&hp_datagrams, fragment);
    if (datagram && (__s32)(datagram->until - now) > 0) return datagram;
    const struct hp_datagram begun = {.until = now + HP_FRAGMENTS_LAST, .id = bpf_get_prandom_u32()};
    bpf_map_update_elem(&hp_datagrams, fragment, &begun, datagram ? BPF_ANY : BPF_NOEXIST);
    return bpf_map_lookup_elem(&hp_datagrams, fragment);
}

/* Tells the verifier of a size what is known anyway, in a way that the compiler does not see through. */
static __always_inline __u32 hp_bounded(__u32 size) {
    --size;
    asm volatile("" : "+r"(size));
    return size % HP_HELD_BYTES + 1;
}

/* Keeps a copy until the first comes. Returns 0 where it does not, or where the first has come meanwhile. */
HP_APART int hp_hold(struct __sk_buff* skb, const struct hp_fragment* fragment) {
    const __u32 zero = 0;
    struct hp_held* held = bpf_map_lookup_elem(&hp_copies, &zero);
    if (!fragment || !held) return 0;
    struct hp_early early = {.of = *fragment};
    struct hp_datagram* datagram = bpf_map_lookup_elem(&hp_datagrams, &early.of);
    if (!datagram) return 0;
    const __u32 length = skb->len - HP_IP;
    if (!length || length > HP_HELD_BYTES) return 0;
    if (bpf_skb_load_bytes(skb, HP_IP, held->packet, hp_bounded(length))) return 0;
    held->length = length;
    held->until = datagram->until;
    early.number = __sync_fetch_and_add(&datagram->early, 1);
    if (early.number >= HP_MOST_EARLY || bpf_map_update_elem(&hp_early_ones, &early, held, BPF_ANY)) return 0;
    /* By an access that none can overtake: the first, on another processor, may have come before there was a copy. */
    return __sync_fetch_and_add(&datagram->early, 0) < HP_FIRST_CAME || bpf_map_delete_elem(&hp_early_ones, &early);
}

/* Puts a copy on the link that the packet came by, in its place. */
HP_APART int hp_release(struct __sk_buff* skb, const struct hp_fragment* fragment, __u32 number, __u32 until) {
    if (!fragment) return 0;
    const struct hp_early early = {*fragment, number};
    const struct hp_held* held = bpf_map_lookup_elem(&hp_early_ones, &early);
    if (!held || held->until != until) return 0; /* it is of another datagram, long gone */
    const __u32 length = hp_bounded(held->length);
    if (bpf_skb_change_tail(skb, HP_IP + length, 0)) return 0;
    if (bpf_skb_store_bytes(skb, HP_IP, held->packet, length, BPF_F_RECOMPUTE_CSUM)) return 0;
    /* Evicted while it was read, it is no more what it was. */
    return !bpf_map_delete_elem(&hp_early_ones, &early) && !bpf_clone_redirect(skb, skb->ifindex, BPF_F_INGRESS);
}

/* `arrives`: it can be put on its link anew. Else it was made on this machine, where fragments are made in order. */
HP_APART int hp_meet(struct __sk_buff* skb, struct hp_packet* packet, int arrives) {
    if (!packet) return HP_UNMET;
    struct hp_fragment fragment;
    hp_fragment_of(packet, &fragment);
    if (!hp_is_known(&fragment.destination, 0, fragment.protocol) &&
        !hp_is_known(&fragment.source, 0, fragment.protocol))
        return HP_UNMET;
    struct hp_datagram* datagram = hp_datagram_of(&fragment);
    if (!datagram) return HP_UNMET;
    if (packet->first) {
        datagram->source_port = packet->tuple.source_port;
        datagram->destination_port = packet->tuple.destination_port;
        packet->id = datagram->id;
        const __u32 until = datagram->until;
        const __u32 early = __sync_lock_test_and_set(&datagram->early, HP_FIRST_CAME);
        if (!early || early >= HP_FIRST_CAME || !arrives) return HP_MET;
        bpf_clone_redirect(skb, skb->ifindex, BPF_F_INGRESS);
        for (__u32 number = 0; number < HP_MOST_EARLY && number < early; ++number) {
            hp_release(skb, &fragment, number, until);
        }
        return HP_PUT_OFF;
    }
    if (datagram->early < HP_FIRST_CAME && arrives && hp_hold(skb, &fragment)) return HP_PUT_OFF;
    if (datagram->early < HP_FIRST_CAME) return HP_UNMET;
    packet->tuple.source_port = datagram->source_port;
    packet->tuple.destination_port = datagram->destination_port;
    packet->id = datagram->id;
    return HP_MET;
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
