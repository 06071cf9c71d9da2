/* Puts the new ports into a packet that the kernel holds, and sends it. */
#pragma once

#include "engines/bpf/kern/hops.h"
#include "engines/bpf/kern/rewrite.h"

/* Set where the kernel has BPF_F_IPV6 (Linux 6.16): without it, it takes what a network card has summed up of an IPv6
 * packet for wrong afterwards. */
const volatile __u64 hp_flag_ipv6 = 0;

static __always_inline __u64 hp_pseudo(const struct hp_address* address) {
    return BPF_F_PSEUDO_HDR | (hp_is_v4(address) ? 0 : hp_flag_ipv6);
}

/* Where a driver has summed up the whole packet as it came. What is behind the IP header changes by the opposite of
 * what the addresses do, for they are in its checksum. The header of IPv4 has a sum of its own and so does not change;
 * that of IPv6 changes by the addresses, and the hop (`hops` as in rewrite.h). */
static __always_inline void hp_follow_sum(struct __sk_buff* skb, const struct hp_half* half, int hops) {
    if (hp_is_v4(&half->translated.source)) {
        bpf_csum_update(skb, (__u16)~half->addresses_changed);
    } else if (hops) {
        bpf_csum_update(skb, (__u16)~bpf_htons(1));
    }
}

/* Where the checksum is partial, only the pseudo header's part is in it: addresses and ports are told apart. That is
 * left to the kernel, which knows. */
static __always_inline int hp_rewrite_ports(struct __sk_buff* skb, const struct hp_packet* packet,
                                            const struct hp_half* half, int hops) {
    const struct hp_ends* to = &half->translated;
    __be16* ports = hp_at(skb, packet->payload, 2 * sizeof *ports);
    __u16* sum = hp_check_of(skb, packet);
    if (!ports || !sum) return -1;
    if (!skb->gso_size && !packet->first && !hp_may_be_partial(packet, *sum)) {
        hp_translate_ports(half, ports, sum);
        hp_follow_sum(skb, half, hops);
        return 0;
    }
    ports[0] = to->source_port;
    ports[1] = to->destination_port;
    const int udp = half->protocol == IPPROTO_UDP;
    const __u32 check = packet->payload + (udp ? offsetof(struct udphdr, check) : offsetof(struct tcphdr, check));
    const __u64 flags = udp ? BPF_F_MARK_MANGLED_0 : 0;
    if (hp_fold16(half->ports_changed) != 0xffff && bpf_l4_csum_replace(skb, check, 0, half->ports_changed, flags))
        return -1;
    return bpf_l4_csum_replace(skb, check, 0, half->addresses_changed, flags | hp_pseudo(&to->source)) ? -1 : 0;
}

/* Sends a translated packet of a flow. */
static __always_inline int hp_send(struct __sk_buff* skb, const struct hp_half* half, struct hp_route* route) {
    if (half->marks & HP_STAYS) return TCX_NEXT;
    /* The stack believes in an address of its own only where it comes from `lo`. */
    const int cut = route->way == HP_CUT;
    if (cut && !hp_lies_in(HP_OWN, &half->translated.source)) return TCX_NEXT;
    /* The kernel looks for the next hop itself: the route of its own that a packet from `lo` has is none for this. */
    if (route->way == HP_RESOLVE) return (int)bpf_redirect_neigh(route->link, 0, 0, 0);
    struct ethhdr* ethernet = hp_at(skb, 0, sizeof *ethernet);
    const struct hp_link* link = bpf_map_lookup_elem(&hp_links, &route->link);
    if (!ethernet || !link) return TCX_DROP;
    if (cut || half->marks & HP_VIA_LOOPBACK) { /* the address of `lo` is all zeros */
        __builtin_memset(ethernet->h_dest, 0, sizeof ethernet->h_dest);
        __builtin_memset(ethernet->h_source, 0, sizeof ethernet->h_source);
        return (int)bpf_redirect(HP_LOOPBACK, BPF_F_INGRESS);
    }
    __builtin_memcpy(ethernet->h_dest, half->hop.to, sizeof ethernet->h_dest);
    __builtin_memcpy(ethernet->h_source, link->mac, sizeof ethernet->h_source);
    return (int)bpf_redirect(route->link, 0);
}
