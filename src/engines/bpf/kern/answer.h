/* ICMP errors of our own: what a router tells the sender of a packet that it cannot send on (RFC 1812 4.3, RFC 4443).
 */
#pragma once

#include "engines/bpf/kern/parse.h"

enum hp_reason { HP_TOO_BIG, HP_EXPIRED, HP_UNREACHABLE, HP_PROHIBITED, HP_NO_PORT };

#define HP_QUOTE_UDP 8 /* bytes of the header with the ports that are quoted */
#define HP_QUOTE_TCP 20

static __always_inline __u64 hp_sum(const __be32* words, int bytes) {
    __u64 sum = 0;
    for (int i = 0; i < bytes / 4; ++i) sum += words[i];
    return sum;
}

static __always_inline void hp_swap_ethernet(struct ethhdr* ethernet) {
    __u8 kept[6];
    __builtin_memcpy(kept, ethernet->h_dest, sizeof kept);
    __builtin_memcpy(ethernet->h_dest, ethernet->h_source, sizeof kept);
    __builtin_memcpy(ethernet->h_source, kept, sizeof kept);
}

struct hp_v4_error {
    struct iphdr ip;
    struct hp_icmp icmp;
};

struct hp_v6_error {
    struct ipv6hdr ip;
    struct hp_icmp icmp;
};

/* An IP header for an answer to the sender of a packet, from the address that it was for. `size`: what follows it. */
static __always_inline void hp_head_v4(struct iphdr* ip, const struct hp_packet* packet, __u8 protocol, __u16 size) {
    __builtin_memset(ip, 0, sizeof *ip);
    ip->version = 4;
    ip->ihl = 5;
    ip->tot_len = bpf_htons(sizeof *ip + size);
    ip->ttl = 64;
    ip->protocol = protocol;
    ip->saddr = packet->tuple.destination.word[3];
    ip->daddr = packet->tuple.source.word[3];
    ip->check = (__u16)~hp_fold16(hp_sum((const __be32*)ip, sizeof *ip));
}

static __always_inline void hp_head_v6(struct ipv6hdr* ip, const struct hp_packet* packet, __u8 protocol, __u16 size) {
    __builtin_memset(ip, 0, sizeof *ip);
    ip->version = 6;
    ip->payload_len = bpf_htons(size);
    ip->nexthdr = protocol;
    ip->hop_limit = 64;
    __builtin_memcpy(&ip->saddr, &packet->tuple.destination, sizeof ip->saddr);
    __builtin_memcpy(&ip->daddr, &packet->tuple.source, sizeof ip->daddr);
}

/* Whether it can be answered: what has options, or is a fragment, is dropped in silence. */
static __always_inline int hp_is_answerable(const struct hp_packet* packet) {
    const __u32 header = hp_is_v4(&packet->tuple.source) ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
    return !packet->first && packet->payload == HP_IP + header;
}

/* Sends back by the link that it came by what has been made of a packet. */
static __always_inline int hp_send_back(struct __sk_buff* skb) {
    struct ethhdr* ethernet = hp_at(skb, 0, sizeof *ethernet);
    if (!ethernet) return TCX_DROP;
    hp_swap_ethernet(ethernet);
    return (int)bpf_redirect(skb->ifindex, 0);
}

static __always_inline int hp_make_room(struct __sk_buff* skb, __u32 quoted, __u32 room) {
    return bpf_skb_change_tail(skb, HP_IP + quoted, 0) || bpf_skb_adjust_room(skb, (__s32)room, BPF_ADJ_ROOM_MAC, 0);
}

static __always_inline int hp_answer_v4(struct __sk_buff* skb, const struct hp_packet* packet, enum hp_reason reason,
                                        __u32 mtu, const int quoted) {
    if (hp_make_room(skb, quoted, sizeof(struct hp_v4_error))) return -1;
    struct hp_v4_error* error = hp_at(skb, HP_IP, sizeof *error + quoted);
    if (!error) return -1;
    hp_head_v4(&error->ip, packet, IPPROTO_ICMP, sizeof error->icmp + quoted);
    __builtin_memset(&error->icmp, 0, sizeof error->icmp);
    error->icmp.type = reason == HP_EXPIRED ? HP_ICMP_EXPIRED : HP_ICMP_UNREACHABLE;
    if (reason == HP_TOO_BIG) {
        error->icmp.code = 4;
        error->icmp.rest = bpf_htonl(mtu & 0xffff); /* RFC 1191 */
    } else if (reason == HP_UNREACHABLE) {
        error->icmp.code = 1; /* host */
    } else if (reason == HP_PROHIBITED) {
        error->icmp.code = 13; /* administratively */
    } else if (reason == HP_NO_PORT) {
        error->icmp.code = 3;
    }
    error->icmp.check = (__u16)~hp_fold16(hp_sum((const __be32*)&error->icmp, sizeof error->icmp + quoted));
    return 0;
}

static __always_inline int hp_answer_v6(struct __sk_buff* skb, const struct hp_packet* packet, enum hp_reason reason,
                                        __u32 mtu, const int quoted) {
    if (hp_make_room(skb, quoted, sizeof(struct hp_v6_error))) return -1;
    struct hp_v6_error* error = hp_at(skb, HP_IP, sizeof *error + quoted);
    if (!error) return -1;
    const __u16 length = sizeof error->icmp + quoted;
    hp_head_v6(&error->ip, packet, IPPROTO_ICMPV6, length);
    __builtin_memset(&error->icmp, 0, sizeof error->icmp);
    if (reason == HP_TOO_BIG) {
        error->icmp.type = HP_ICMP6_TOO_BIG;
        error->icmp.rest = bpf_htonl(mtu);
    } else if (reason == HP_EXPIRED) {
        error->icmp.type = HP_ICMP6_EXPIRED;
    } else {
        error->icmp.type = HP_ICMP6_UNREACHABLE;
        /* administratively; port; no route */
        error->icmp.code = reason == HP_PROHIBITED ? 1 : reason == HP_NO_PORT ? 4 : 0;
    }
    const __u64 pseudo = hp_sum((const __be32*)&error->ip.saddr, 2 * sizeof error->ip.saddr) + bpf_htons(length) +
                         bpf_htons(IPPROTO_ICMPV6);
    error->icmp.check = (__u16)~hp_fold16(pseudo + hp_sum((const __be32*)&error->icmp, sizeof error->icmp + quoted));
    return 0;
}

/* Turns the packet into an error about itself and sends it back, from the address that it was for. */
HP_APART int hp_answer(struct __sk_buff* skb, const struct hp_packet* packet, enum hp_reason reason, __u32 mtu) {
    if (!packet) return TCX_DROP;
    const int v4 = hp_is_v4(&packet->tuple.source);
    const int tcp = packet->tuple.protocol == IPPROTO_TCP;
    if (!hp_is_answerable(packet)) return TCX_DROP;
    int failed;
    if (v4) {
        failed = tcp ? hp_answer_v4(skb, packet, reason, mtu, sizeof(struct iphdr) + HP_QUOTE_TCP)
                     : hp_answer_v4(skb, packet, reason, mtu, sizeof(struct iphdr) + HP_QUOTE_UDP);
    } else {
        failed = tcp ? hp_answer_v6(skb, packet, reason, mtu, sizeof(struct ipv6hdr) + HP_QUOTE_TCP)
                     : hp_answer_v6(skb, packet, reason, mtu, sizeof(struct ipv6hdr) + HP_QUOTE_UDP);
    }
    return failed ? TCX_DROP : hp_send_back(skb);
}
