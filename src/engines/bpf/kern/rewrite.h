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

static __always_inline __u16* hp_check_of(hp_frame* frame, const struct hp_packet* packet) {
    const __u32 offset =
        packet->tuple.protocol == IPPROTO_UDP ? offsetof(struct udphdr, check) : offsetof(struct tcphdr, check);
    return hp_at(frame, packet->payload + offset, sizeof(__u16));
}

/* Of the pseudo header of so many bytes of TCP or UDP. */
static __always_inline __u64 hp_pseudo_sum(const struct hp_tuple* tuple, __u32 length) {
    __u64 sum = bpf_htons(tuple->protocol) + (__u64)bpf_htonl(length);
    for (int i = 0; i < 4; ++i) sum += (__u64)tuple->source.word[i] + tuple->destination.word[i]; /* HP_MAPPED is 0 */
    return sum;
}

/* A sender on this machine may leave the sum to whoever puts the packet on a wire, and nobody here would: its field
 * holds that of the pseudo header alone. One of 65,536 others looks the same, which does no harm. A tunnel without a
 * sum may hold such a packet; and where there are options, one may say another destination. */
static __always_inline int hp_may_be_partial(const struct hp_packet* packet, __u16 check) {
    const struct hp_tuple* tuple = &packet->tuple;
    const __u32 header = hp_is_v4(&tuple->source) ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
    if (!check || packet->payload != HP_IP + header) return 1;
    return check == hp_fold16(hp_pseudo_sum(tuple, packet->length - (packet->payload - HP_IP)));
}

static __always_inline void hp_translate_ports(const struct hp_half* half, __be16* ports, __u16* check) {
    ports[0] = half->translated.source_port;
    ports[1] = half->translated.destination_port;
    *check = hp_changed_in(half->protocol, *check, (__u64)half->addresses_changed + half->ports_changed);
}
