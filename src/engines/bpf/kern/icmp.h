/* ICMP errors about flows, translated for those who sent what they are about (RFC 5508, RFC 4443). */
#pragma once

#include "engines/bpf/kern/send.h"

/* The packet that an error quotes, as it was when it was translated. */
struct hp_quote {
    struct hp_tuple answer; /* how answers to it would look */
    __u32 ip;               /* where its headers begin, from the start of the frame */
    __u32 ports;
};

static __always_inline int hp_parse_quote(struct __sk_buff* skb, const struct hp_packet* packet,
                                          struct hp_quote* quote) {
    quote->ip = packet->payload + 8;
    if (packet->tuple.protocol == IPPROTO_ICMP) {
        const struct iphdr* ip = hp_at(skb, quote->ip, sizeof *ip);
        if (!ip || ip->version != 4 || ip->ihl < 5 || ip->frag_off & bpf_htons(HP_IP_OFFSET)) return 0;
        quote->ports = quote->ip + ip->ihl * 4;
        quote->answer.source = hp_v4(ip->daddr);
        quote->answer.destination = hp_v4(ip->saddr);
        quote->answer.protocol = ip->protocol;
    } else {
        const struct ipv6hdr* ip = hp_at(skb, quote->ip, sizeof *ip);
        if (!ip || ip->version != 6) return 0;
        quote->ports = quote->ip + sizeof *ip;
        quote->answer.source = hp_v6(ip->daddr.in6_u.u6_addr32);
        quote->answer.destination = hp_v6(ip->saddr.in6_u.u6_addr32);
        quote->answer.protocol = ip->nexthdr;
    }
    const __be16* ports = hp_at(skb, quote->ports, 8);
    if (!ports || !hp_has_ports(quote->answer.protocol)) return 0;
    quote->answer.source_port = ports[1];
    quote->answer.destination_port = ports[0];
    return 1;
}

#define HP_CHUNK 32
#define HP_MOST_CHUNKS 48 /* as much as an error on Ethernet has */

struct hp_summing {
    struct __sk_buff* skb;
    __u64 sum;
    __u32 offset;
    __u32 left;
};

static long hp_sum_chunk(__u32 number, struct hp_summing* of) {
    (void)number;
    __be32 words[HP_CHUNK / 4] = {0};
    /* Linux 6.1 does not see otherwise that it is not zero. */
    const __u32 size = of->left < HP_CHUNK ? (of->left - 1) % HP_CHUNK + 1 : HP_CHUNK;
    if (!of->left || bpf_skb_load_bytes(of->skb, of->offset, words, size)) return 1;
    for (int word = 0; word < HP_CHUNK / 4; ++word) of->sum += words[word];
    of->offset += size;
    of->left -= size;
    return 0;
}

/* Whether the checksum is right: what is wrong says nothing that one could trust (RFC 5508 REQ-3). */
HP_APART int hp_is_intact(struct __sk_buff* skb, const struct hp_packet* packet) {
    if (!packet) return 0;
    const __u32 length = packet->length - (packet->payload - HP_IP);
    __u64 sum = 0;
    if (packet->tuple.protocol == IPPROTO_ICMPV6) {
        for (int i = 0; i < 4; ++i) {
            sum += (__u64)packet->tuple.source.word[i] + packet->tuple.destination.word[i];
        }
        sum += bpf_htonl(length) + bpf_htonl(IPPROTO_ICMPV6);
    }
    struct hp_summing of = {skb, sum, packet->payload, length};
    bpf_loop(HP_MOST_CHUNKS, hp_sum_chunk, &of, 0);
    return !of.left && hp_fold16(of.sum) == 0xffff;
}

/* Puts back into the quoted packet the addresses and ports that its sender wrote. Returns what the sum of the quoted
 * bytes changes by. */
static __always_inline __u64 hp_restore_quote(struct __sk_buff* skb, const struct hp_quote* quote,
                                              const struct hp_half* half) {
    const struct hp_ends* to = &half->translated; /* its answers; so it goes the other way round */
    const int v4 = hp_is_v4(&to->source);
    __u64 change = 0;
    if (v4) {
        struct iphdr* ip = hp_at(skb, quote->ip, sizeof *ip);
        if (!ip) return 0;
        ip->saddr = to->destination.word[3];
        ip->daddr = to->source.word[3];
        ip->check = hp_changed(ip->check, half->addresses_changed); /* so the header's own sum stays */
    } else {
        struct ipv6hdr* ip = hp_at(skb, quote->ip, sizeof *ip);
        if (!ip) return 0;
        __builtin_memcpy(&ip->saddr, &to->destination, sizeof to->destination);
        __builtin_memcpy(&ip->daddr, &to->source, sizeof to->source);
        change += half->addresses_changed;
    }
    __be16* ports = hp_at(skb, quote->ports, 8);
    if (!ports) return 0;
    ports[0] = to->destination_port;
    ports[1] = to->source_port;
    change += half->ports_changed;
    const __u64 whole = (__u64)half->addresses_changed + half->ports_changed;
    __u16* check = 0; /* it may be cut off */
    if (half->protocol == IPPROTO_UDP) {
        check = (__u16*)&ports[3];
        if (!*check) check = 0; /* there is none (RFC 768) */
    } else {
        check = hp_at(skb, quote->ports + offsetof(struct tcphdr, check), sizeof *check);
    }
    if (check) {
        const __u16 before = *check;
        *check = hp_changed_in(half->protocol, before, whole);
        change += hp_port_change(before, *check);
    }
    return change;
}

/* Who complains: a host or router whose address the client must not see is shown as the address that was asked. */
static __always_inline void hp_error_source(const struct hp_packet* packet, const struct hp_quote* quote,
                                            const struct hp_half* half, struct hp_address* source) {
    const int translated = !hp_same(&half->translated.source, &quote->answer.source);
    *source = translated ? half->translated.source : packet->tuple.source;
}

/* Translates the error and what it quotes. `hops` as in rewrite.h; 0: done. */
HP_APART int hp_restore(struct __sk_buff* skb, const struct hp_packet* packet, const struct hp_quote* quote,
                        const struct hp_half* half, int hops) {
    if (!packet || !quote || !half) return -1;
    const __u64 quoted = hp_restore_quote(skb, quote, half);
    struct hp_ends outer = hp_ends_of(&packet->tuple);
    hp_error_source(packet, quote, half, &outer.source);
    outer.destination = half->translated.destination;
    const int v4 = hp_is_v4(&outer.source);
    const __u64 addresses = hp_address_change(&packet->tuple.source, &outer.source) +
                            hp_address_change(&packet->tuple.destination, &outer.destination);
    if (hp_rewrite_ip(skb, &outer, hops)) return -1;
    const __u32 check = packet->payload + 2;
    if (bpf_l4_csum_replace(skb, check, 0, hp_fold32(quoted), 0)) return -1;
    return !v4 && bpf_l4_csum_replace(skb, check, 0, hp_fold32(addresses), hp_pseudo(&outer.source)) ? -1 : 0;
}

/* `leaves`: the gateway's own kernel sent it, and knows the way. */
HP_APART int hp_translate_error(struct __sk_buff* skb, const struct hp_packet* packet, int leaves) {
    struct hp_quote quote = {0};
    if (!packet || !hp_parse_quote(skb, packet, &quote)) return TCX_NEXT;
    struct hp_half* half = hp_find(&quote.answer);
    if (!half || (leaves && !(half->marks & HP_FROM_GATEWAY))) return TCX_NEXT;
    if (half->marks & HP_FROM_INSIDE && hp_is_outside(skb->ifindex) &&
        hp_same(&packet->tuple.source, &quote.answer.source)) {
        return TCX_DROP; /* forged */
    }
    if ((!leaves && packet->hops_left <= 1) || !hp_is_intact(skb, packet)) return TCX_DROP;
    struct hp_route route = {0};
    if (!leaves) {
        hp_route(skb, packet, half, hp_now(), &route);
        if (route.way == HP_NO_WAY) return TCX_DROP;
    }
    if (hp_restore(skb, packet, &quote, half, !leaves)) return TCX_DROP;
    return leaves ? TCX_NEXT : hp_send(skb, half, &route);
}
