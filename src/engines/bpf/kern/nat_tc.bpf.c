/* Translates what arrives on a link, and sends it on past the kernel's stack.
 *
 * Theory of operation. A packet is looked up as it is: the half of a flow that it belongs to says how it leaves and by
 * which hop. What belongs to no flow begins one, if it is for an external endpoint and can begin one; or it goes on
 * with one that this gateway does not know, where addresses tell all of it. Everything else passes to the next program
 * and then the kernel, untouched.
 *
 * The clients on the gateway itself are no exception: what they send to an address of the gateway arrives on `lo`, and
 * what is for them is put there. The kernel would take that for forged, but for lo/accept_local, which the daemon sets.
 */
#include <linux/bpf.h>
/* first, the others lack its types */
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stddef.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* From Linux 6.6 on (include/uapi/linux/bpf.h); older headers lack them. */
#define TCX_NEXT -1
#define TCX_DROP 2

typedef struct __sk_buff hp_frame;

#include "engines/bpf/kern/answer.h"
#include "engines/bpf/kern/fragments.h"
#include "engines/bpf/kern/icmp.h"
#include "engines/bpf/kern/refuse.h"

static __always_inline const struct hp_endpoint* hp_endpoint_of(const struct hp_tuple* tuple) {
    const struct hp_asked asked = {tuple->destination, tuple->destination_port, tuple->protocol, 0};
    return bpf_map_lookup_elem(&hp_endpoints, &asked);
}

/* Whether a connection ends at a socket of this machine: one that was there before there was a service, or that this
 * machine has begun itself. */
HP_APART int hp_is_own_connection(struct __sk_buff* skb, const struct hp_packet* packet) {
    if (!packet) return 0;
    const struct hp_tuple* tuple = &packet->tuple;
    struct bpf_sock_tuple ends;
    const int v4 = hp_is_v4(&tuple->source);
    if (v4) {
        ends.ipv4.saddr = tuple->source.word[3];
        ends.ipv4.daddr = tuple->destination.word[3];
        ends.ipv4.sport = tuple->source_port;
        ends.ipv4.dport = tuple->destination_port;
    } else {
        __builtin_memcpy(ends.ipv6.saddr, &tuple->source, sizeof ends.ipv6.saddr);
        __builtin_memcpy(ends.ipv6.daddr, &tuple->destination, sizeof ends.ipv6.daddr);
        ends.ipv6.sport = tuple->source_port;
        ends.ipv6.dport = tuple->destination_port;
    }
    struct bpf_sock* socket = v4 ? bpf_skc_lookup_tcp(skb, &ends, sizeof ends.ipv4, BPF_F_CURRENT_NETNS, 0)
                                 : bpf_skc_lookup_tcp(skb, &ends, sizeof ends.ipv6, BPF_F_CURRENT_NETNS, 0);
    if (!socket) return 0;
    const int lives = socket->state != BPF_TCP_LISTEN;
    bpf_sk_release(socket);
    return lives;
}

/* Whether this comes from outside and goes to a backend past its service: a beginning of a connection, or a forged
 * address. A datagram may be the answer to one that the backend has sent for its own part. */
static __always_inline int hp_is_intruder(struct __sk_buff* skb, const struct hp_packet* packet) {
    if (!hp_is_outside(skb->ifindex)) return 0;
    const struct hp_address destination = packet->tuple.destination;
    if (!bpf_map_lookup_elem(&hp_guarded, &destination)) return 0;
    return hp_lies_in(HP_INSIDE, &packet->tuple.source) || (packet->tuple.protocol == IPPROTO_TCP && hp_begins(packet));
}

/* What is neither of a flow nor for a service. A connection that a client begins to a backend itself must not be taken
 * for an earlier one of the same ports that went through the service. */
HP_APART int hp_bystander(struct __sk_buff* skb, const struct hp_packet* packet) {
    if (!packet) return TCX_NEXT;
    if (hp_is_intruder(skb, packet)) return TCX_DROP;
    if (packet->tuple.protocol != IPPROTO_TCP || !hp_begins(packet)) return TCX_NEXT;
    const struct hp_ends asked = hp_ends_of(&packet->tuple);
    struct hp_tuple back;
    hp_reversed(&asked, packet->tuple.protocol, &back);
    const struct hp_half* half = hp_find(&back);
    if (half && hp_closed(half)) hp_forget(&back, half, hp_now());
    return TCX_NEXT;
}

/* Whether this is on `lo` because it was put there, translated. Where its backend's endpoint is an external one, too,
 * it would be translated again, and so on until its hops are used up. */
HP_APART int hp_was_translated(struct __sk_buff* skb, const struct hp_packet* packet) {
    if (!packet || skb->ifindex != HP_LOOPBACK) return 0;
    const struct hp_ends ends = hp_ends_of(&packet->tuple);
    struct hp_tuple back;
    hp_reversed(&ends, packet->tuple.protocol, &back);
    const struct hp_half* half = hp_find(&back);
    return half && half->direction == HP_TO_CLIENT;
}

/* What of a flow's packet is the same whichever way it takes. */
static __always_inline int hp_translate(struct __sk_buff* skb, const struct hp_packet* packet, struct hp_half* half,
                                        __u32 now, int has_ports, int hops) {
    half->seen = now;
    __sync_fetch_and_add(&half->bytes, packet->length);
    hp_follow(packet, half);
    if (packet->first || !has_ports) hp_renumber(skb, packet);
    if (hp_rewrite_ip(skb, &half->translated, hops)) return -1;
    return has_ports ? hp_rewrite_ports(skb, packet, half, hops) : 0;
}

static __always_inline int hp_forward(struct __sk_buff* skb, const struct hp_packet* packet, struct hp_half* half,
                                      int has_ports) {
    const __u32 now = hp_now();
    if (packet->hops_left <= 1) return has_ports ? hp_answer(skb, packet, HP_EXPIRED, 0) : TCX_DROP;
    struct hp_route route;
    hp_route(skb, packet, half, now, &route);
    if (route.way == HP_NO_WAY) return has_ports ? hp_answer(skb, packet, HP_UNREACHABLE, 0) : TCX_DROP;
    if (hp_length(skb, packet) > route.mtu) {
        if (!hp_may_be_cut(skb, packet)) return has_ports ? hp_answer(skb, packet, HP_TOO_BIG, route.mtu) : TCX_DROP;
        route.way = HP_CUT;
    }
    if (hp_translate(skb, packet, half, now, has_ports, 1)) return TCX_DROP;
    return hp_send(skb, half, &route);
}

HP_APART int hp_look(struct __sk_buff* skb, struct hp_packet* packet) {
    if (!packet) return HP_FOREIGN;
    if (skb->vlan_present) return HP_FOREIGN;
    if (skb->protocol != bpf_htons(ETH_P_IP) && skb->protocol != bpf_htons(ETH_P_IPV6)) return HP_FOREIGN;
    const __u32 needed = skb->len < HP_NEEDED ? skb->len : HP_NEEDED;
    if (HP_CONTEXT(skb, data_end) - HP_CONTEXT(skb, data) < needed) bpf_skb_pull_data(skb, needed);
    return hp_parse(skb, (__be16)skb->protocol, packet);
}

/* The half that a packet is of, which it may begin. Null: it is of none, and `action` says what becomes of it. */
static __always_inline struct hp_half* hp_half_of(struct __sk_buff* skb, const struct hp_packet* packet, int kind,
                                                  int* action) {
    *action = TCX_NEXT;
    if (!hp_concerns_us(&packet->tuple)) {
        if (hp_is_intruder(skb, packet)) *action = TCX_DROP;
        return 0;
    }
    struct hp_half* half = hp_find(&packet->tuple);
    if (half && half->marks & HP_FROM_INSIDE && hp_is_outside(skb->ifindex)) { /* a forged address */
        *action = TCX_DROP;
        return 0;
    }
    if (half && packet->tuple.protocol == IPPROTO_TCP && kind == HP_WHOLE && hp_begins(packet)) {
        if (hp_closed(half)) {
            hp_forget(&packet->tuple, half, hp_now());
            half = 0;
        } else if (half->direction == HP_TO_CLIENT) {
            return 0; /* the backend calls for its own part */
        }
    }
    if (half) return half;
    const struct hp_endpoint* endpoint = hp_endpoint_of(&packet->tuple);
    if (!endpoint) {
        *action = hp_bystander(skb, packet);
        return 0;
    }
    if (kind != HP_WHOLE) return 0;
    if (!hp_begins(packet) && (!hp_goes_on(packet) || hp_is_own_connection(skb, packet))) return 0;
    if (hp_was_translated(skb, packet)) return 0;
    const int opening = hp_open(packet, skb->ifindex, endpoint);
    if (opening == HP_OPENED) half = hp_find_anywhere(&packet->tuple);
    if (half || opening == HP_UNKNOWN) return half;
    *action = opening == HP_NOT_SERVED ? hp_refuse(skb, packet)
              : opening == HP_NO_ROOM  ? hp_answer(skb, packet, HP_PROHIBITED, 0)
                                       : TCX_DROP;
    return 0;
}

SEC("tc")
int hp_arrives(struct __sk_buff* skb) {
    if (skb->pkt_type != PACKET_HOST) return TCX_NEXT;
    struct hp_packet packet = {0};
    const int kind = hp_look(skb, &packet);
    if (kind == HP_FOREIGN) return TCX_NEXT;
    if (kind == HP_ERROR) return hp_translate_error(skb, &packet, 0);
    if (kind == HP_LATER) {
        const int meeting = hp_meet(skb, &packet, 1);
        if (meeting != HP_MET) return meeting == HP_UNMET ? TCX_NEXT : TCX_DROP;
    }
    int action;
    struct hp_half* half = hp_half_of(skb, &packet, kind, &action);
    if (packet.first && (half || action == TCX_NEXT) && hp_meet_first(skb, &packet, 1)) return TCX_DROP;
    return half ? hp_forward(skb, &packet, half, kind == HP_WHOLE) : action;
}

/* Attached where a backend is the gateway itself: what it sends to clients whose own address it has seen. */
SEC("tc")
int hp_leaves(struct __sk_buff* skb) {
    if (skb->ifindex == HP_LOOPBACK) return TCX_NEXT; /* it arrives there, too */
    struct hp_packet packet = {0};
    const int kind = hp_look(skb, &packet);
    if (kind == HP_FOREIGN) return TCX_NEXT;
    if (kind == HP_ERROR) return hp_translate_error(skb, &packet, 1);
    if (kind == HP_LATER && hp_meet(skb, &packet, 0) != HP_MET) return TCX_NEXT;
    if (!hp_concerns_us(&packet.tuple)) return TCX_NEXT;
    struct hp_half* half = hp_find(&packet.tuple);
    if (!half || !(half->marks & HP_FROM_GATEWAY)) return TCX_NEXT;
    if (packet.first) hp_meet_first(skb, &packet, 0);
    return hp_translate(skb, &packet, half, hp_now(), kind == HP_WHOLE, 0) ? TCX_DROP : TCX_NEXT;
}

/* For the daemon, in its own time. Its copy of a half is as good as one of a moment ago. */
SEC("syscall")
int hp_look_up(struct hp_request* request) {
    const struct hp_tuple key = request->key;
    const struct hp_half* half = hp_find(&key);
    if (!half) return 0;
    request->half = *half;
    return 1;
}

static __always_inline int hp_seen_since(const struct hp_half* half, __u32 tick) {
    return (__s32)(half->seen - tick) > 0;
}

/* A flow that is still the one that the daemon has seen, and has rested since. */
SEC("syscall")
int hp_take_away(struct hp_request* request) {
    const struct hp_tuple key = request->key;
    const struct hp_half* half = hp_find(&key);
    if (!half || half->began != request->half.began || hp_seen_since(half, request->half.seen)) return 0;
    const struct hp_half* other = hp_other(&key, half);
    if (other && (request->orphan || hp_seen_since(other, request->half.seen))) return 0;
    return hp_forget(&key, half, hp_now());
}

SEC("syscall")
int hp_tell_time(struct hp_request* request) {
    request->half.seen = hp_now();
    return 1;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL"; /* for bpf_fib_lookup() */
