/* What a client hears where nobody listens: over TCP a reset (RFC 9293 3.5.2), over UDP that the port is unreachable.
 */
#pragma once

#include "engines/bpf/kern/answer.h"
#include "engines/bpf/kern/rewrite.h"

/* Turns a SYN into the TCP of the reset that answers it, behind an IP header that ends at `offset`. A checksum that was
 * left to others stays so. */
static __always_inline int hp_make_reset(struct __sk_buff* skb, const struct hp_packet* packet, const __u32 offset) {
    struct tcphdr* tcp = hp_at(skb, offset, sizeof *tcp);
    if (!tcp) return -1;
    const int partial = hp_may_be_partial(packet, tcp->check);
    const __u32 data = packet->length - (offset - HP_IP) - packet->header;
    const __u32 next = bpf_ntohl(tcp->seq) + 1 + data;
    if (bpf_skb_change_tail(skb, offset + sizeof *tcp, 0)) return -1;
    tcp = hp_at(skb, offset, sizeof *tcp);
    if (!tcp) return -1;
    __builtin_memset(tcp, 0, sizeof *tcp);
    tcp->source = packet->tuple.destination_port;
    tcp->dest = packet->tuple.source_port;
    tcp->ack_seq = bpf_htonl(next);
    tcp->doff = sizeof *tcp / 4;
    tcp->rst = tcp->ack = 1;
    const __u64 pseudo = hp_pseudo_sum(&packet->tuple, sizeof *tcp);
    tcp->check = partial ? hp_fold16(pseudo) : (__u16)~hp_fold16(pseudo + hp_sum((const __be32*)tcp, sizeof *tcp));
    return 0;
}

static __always_inline int hp_reset_v4(struct __sk_buff* skb, const struct hp_packet* packet) {
    if (hp_make_reset(skb, packet, HP_IP + sizeof(struct iphdr))) return -1;
    struct iphdr* ip = hp_at(skb, HP_IP, sizeof *ip);
    if (!ip) return -1;
    hp_head_v4(ip, packet, IPPROTO_TCP, sizeof(struct tcphdr));
    return 0;
}

static __always_inline int hp_reset_v6(struct __sk_buff* skb, const struct hp_packet* packet) {
    if (hp_make_reset(skb, packet, HP_IP + sizeof(struct ipv6hdr))) return -1;
    struct ipv6hdr* ip = hp_at(skb, HP_IP, sizeof *ip);
    if (!ip) return -1;
    hp_head_v6(ip, packet, IPPROTO_TCP, sizeof(struct tcphdr));
    return 0;
}

/* Answers a packet that begins a flow. */
HP_APART int hp_refuse(struct __sk_buff* skb, const struct hp_packet* packet) {
    if (!packet) return TCX_DROP;
    if (packet->tuple.protocol != IPPROTO_TCP) return hp_answer(skb, packet, HP_NO_PORT, 0);
    if (!hp_is_answerable(packet)) return TCX_DROP;
    const int failed = hp_is_v4(&packet->tuple.source) ? hp_reset_v4(skb, packet) : hp_reset_v6(skb, packet);
    return failed ? TCX_DROP : hp_send_back(skb);
}
