/* What a packet is. Whatever is not understood is not ours. hp_frame: the context of the program that includes this. */
#pragma once

#include "engines/bpf/kern/address.h"

#define HP_MOST_HEADERS 6 /* of IPv6, before the one that has ports */
#define HP_NEEDED 128     /* bytes that are worth having at hand */

enum hp_kind {
    HP_FOREIGN, /* not understood, or nothing that has ports */
    HP_WHOLE,   /* it has its ports */
    HP_LATER,   /* a fragment that has none */
    HP_ERROR,   /* of ICMP, about another packet */
};

struct hp_packet {
    struct hp_tuple tuple;
    __u16 payload;  /* where the header with the ports begins, from the start of the frame */
    __u16 fragment; /* and the one of IPv6 by which it is a fragment */
    __u32 length;   /* of the IP packet */
    __u32 id;       /* of a fragment's datagram */
    __u8 first;     /* of several fragments */
    __u8 tcp_flags;
    __u8 header; /* the size of the one that has the ports */
    __u8 hops_left;
};

#define HP_TCP_FIN 0x01
#define HP_TCP_SYN 0x02
#define HP_TCP_RST 0x04
#define HP_TCP_ACK 0x10

/* Whether it may begin a flow, */
static __always_inline int hp_begins(const struct hp_packet* packet) {
    return packet->tuple.protocol == IPPROTO_UDP || (packet->tcp_flags & (HP_TCP_SYN | HP_TCP_ACK)) == HP_TCP_SYN;
}

/* or is a client's of a connection that lives. */
static __always_inline int hp_goes_on(const struct hp_packet* packet) {
    const __u8 flags = HP_TCP_ACK | HP_TCP_SYN | HP_TCP_RST;
    return packet->tuple.protocol == IPPROTO_TCP && (packet->tcp_flags & flags) == HP_TCP_ACK;
}

#define HP_IP_MORE 0x2000
#define HP_IP_DONT 0x4000
#define HP_IP_OFFSET 0x1fff

#define HP_IP sizeof(struct ethhdr) /* where the IP header begins */

#ifndef HP_CONTEXT /* tests have their own */
/* In assembly, for clang 14 would keep a pointer into the context, which the verifier forbids. */
#define HP_CONTEXT(frame, field)                                                                              \
    ({                                                                                                        \
        void* _pointer;                                                                                       \
        asm volatile("%0 = *(u32 *)(%1 + %2)" : "=r"(_pointer) : "r"(frame), "i"(offsetof(hp_frame, field))); \
        _pointer;                                                                                             \
    })
#endif

/* A pointer to `size` bytes of the packet at `offset`, or null. The mask tells the verifier what is known anyway. */
static __always_inline void* hp_at(hp_frame* frame, __u32 offset, __u32 size) {
    void* data = HP_CONTEXT(frame, data);
    void* end = HP_CONTEXT(frame, data_end);
    data += offset & 0x3ff;
    return data + size <= end ? data : 0;
}

/* ICMP and ICMPv6 alike (RFC 792, RFC 4443). The kernel's own headers want those of a C library. */
struct hp_icmp {
    __u8 type;
    __u8 code;
    __u16 check;
    __be32 rest; /* a mtu, for one */
};

enum { HP_ICMP_UNREACHABLE = 3, HP_ICMP_EXPIRED = 11, HP_ICMP_PARAMETER = 12 };
enum { HP_ICMP6_UNREACHABLE = 1, HP_ICMP6_TOO_BIG = 2, HP_ICMP6_EXPIRED = 3, HP_ICMP6_FIRST_QUERY = 128 };

static __always_inline enum hp_kind hp_parse_v4_error(hp_frame* frame, const struct hp_packet* packet) {
    const struct hp_icmp* icmp = hp_at(frame, packet->payload, sizeof *icmp);
    if (!icmp) return HP_FOREIGN;
    return icmp->type == HP_ICMP_UNREACHABLE || icmp->type == HP_ICMP_EXPIRED || icmp->type == HP_ICMP_PARAMETER
               ? HP_ERROR
               : HP_FOREIGN;
}

static __always_inline enum hp_kind hp_parse_v6_error(hp_frame* frame, const struct hp_packet* packet) {
    const struct hp_icmp* icmp = hp_at(frame, packet->payload, sizeof *icmp);
    if (!icmp) return HP_FOREIGN;
    return icmp->type < HP_ICMP6_FIRST_QUERY ? HP_ERROR : HP_FOREIGN;
}

static __always_inline enum hp_kind hp_parse_ports(hp_frame* frame, struct hp_packet* packet) {
    if (packet->tuple.protocol == IPPROTO_TCP) {
        const struct tcphdr* tcp = hp_at(frame, packet->payload, sizeof *tcp);
        if (!tcp) return HP_FOREIGN;
        packet->tuple.source_port = tcp->source;
        packet->tuple.destination_port = tcp->dest;
        packet->tcp_flags = ((const __u8*)tcp)[13];
        packet->header = tcp->doff * 4;
        return HP_WHOLE;
    }
    const struct udphdr* udp = hp_at(frame, packet->payload, sizeof *udp);
    if (!udp) return HP_FOREIGN;
    packet->tuple.source_port = udp->source;
    packet->tuple.destination_port = udp->dest;
    packet->header = sizeof *udp;
    return HP_WHOLE;
}

static __always_inline int hp_has_ports(__u8 protocol) { return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP; }

static __always_inline enum hp_kind hp_parse_v4(hp_frame* frame, struct hp_packet* packet) {
    const struct iphdr* ip = hp_at(frame, HP_IP, sizeof *ip);
    if (!ip || ip->version != 4 || ip->ihl < 5) return HP_FOREIGN;
    packet->payload = HP_IP + ip->ihl * 4;
    packet->length = bpf_ntohs(ip->tot_len);
    packet->hops_left = ip->ttl;
    packet->tuple.source = hp_v4(ip->saddr);
    packet->tuple.destination = hp_v4(ip->daddr);
    packet->tuple.protocol = ip->protocol;
    const __u16 fragment = bpf_ntohs(ip->frag_off);
    packet->id = ip->id;
    if (fragment & HP_IP_OFFSET) return hp_has_ports(ip->protocol) ? HP_LATER : HP_FOREIGN;
    packet->first = !!(fragment & HP_IP_MORE);
    if (hp_has_ports(ip->protocol)) return hp_parse_ports(frame, packet);
    return ip->protocol == IPPROTO_ICMP && !packet->first ? hp_parse_v4_error(frame, packet) : HP_FOREIGN;
}

struct hp_option_header {
    __u8 next;
    __u8 length; /* in units of 8 bytes, the first not counted */
};

struct hp_fragment_header {
    __u8 next;
    __u8 reserved;
    __be16 offset_and_more;
    __be32 id;
};

static __always_inline int hp_is_extension(__u8 header) {
    return header == IPPROTO_FRAGMENT || header == IPPROTO_HOPOPTS || header == IPPROTO_DSTOPTS ||
           header == IPPROTO_ROUTING;
}

static __always_inline enum hp_kind hp_parse_v6(hp_frame* frame, struct hp_packet* packet) {
    const struct ipv6hdr* ip = hp_at(frame, HP_IP, sizeof *ip);
    if (!ip || ip->version != 6) return HP_FOREIGN;
    packet->payload = HP_IP + sizeof *ip;
    packet->length = sizeof *ip + bpf_ntohs(ip->payload_len);
    packet->hops_left = ip->hop_limit;
    packet->tuple.source = hp_v6(ip->saddr.in6_u.u6_addr32);
    packet->tuple.destination = hp_v6(ip->daddr.in6_u.u6_addr32);
    /* An IPv4 address that came in an IPv6 packet must never be taken for one of ours. */
    if (hp_is_v4(&packet->tuple.source) || hp_is_v4(&packet->tuple.destination)) return HP_FOREIGN;
    __u8 next = ip->nexthdr;
    for (int i = 0; i < HP_MOST_HEADERS && hp_is_extension(next); ++i) {
        if (next == IPPROTO_FRAGMENT) {
            const struct hp_fragment_header* fragment = hp_at(frame, packet->payload, sizeof *fragment);
            if (!fragment) return HP_FOREIGN;
            packet->id = fragment->id;
            packet->fragment = packet->payload;
            next = fragment->next;
            packet->payload += sizeof *fragment;
            if (fragment->offset_and_more & bpf_htons(0xfff8)) {
                packet->tuple.protocol = next;
                return hp_has_ports(next) ? HP_LATER : HP_FOREIGN;
            }
            packet->first = !!(fragment->offset_and_more & bpf_htons(1));
            continue;
        }
        const struct hp_option_header* option = hp_at(frame, packet->payload, sizeof *option);
        if (!option) return HP_FOREIGN;
        next = option->next;
        packet->payload += (option->length + 1) * 8;
        if (packet->payload > 0x300) return HP_FOREIGN;
    }
    packet->tuple.protocol = next;
    if (hp_has_ports(next)) return hp_parse_ports(frame, packet);
    return next == IPPROTO_ICMPV6 && !packet->first ? hp_parse_v6_error(frame, packet) : HP_FOREIGN;
}

/* `protocol`: what the frame says of its content (ETH_P_IP), in network byte order. */
static __always_inline enum hp_kind hp_parse(hp_frame* frame, __be16 protocol, struct hp_packet* packet) {
    if (protocol == bpf_htons(ETH_P_IP)) return hp_parse_v4(frame, packet);
    if (protocol == bpf_htons(ETH_P_IPV6)) return hp_parse_v6(frame, packet);
    return HP_FOREIGN;
}
