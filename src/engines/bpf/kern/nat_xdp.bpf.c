/* Sends packets of flows that are under way from the driver of one link to that of another, before the kernel has made
 * anything of them.
 *
 * Theory of operation. Whatever takes thought is passed on as it came, to nat_tc on the same link: what begins or ends
 * a flow, errors, fragments, what the next link does not take, and a packet of each flow once a second, for which the
 * hop is looked up again. So nothing is decided here, and a link whose driver cannot run this is served all the same.
 */
#include <linux/bpf.h>
/* first, the others lack its types */
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stddef.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

typedef struct xdp_md hp_frame;

#include "engines/bpf/kern/rewrite.h"
#include "engines/bpf/kern/table.h"

/* Says nothing of the flow that nat_tc would have to hear. */
static __always_inline int hp_is_plain(const struct hp_packet* packet, const struct hp_half* half) {
    if (packet->tuple.protocol != IPPROTO_TCP) return 1;
    if (packet->tcp_flags & (HP_TCP_SYN | HP_TCP_FIN | HP_TCP_RST) || half->marks & HP_RESET) return 0;
    return half->direction == HP_TO_CLIENT || half->marks & HP_ESTABLISHED;
}

/* Copied, for nat_tc may put another hop in its place meanwhile. */
static __always_inline const struct hp_link* hp_may_send_on(const struct hp_packet* packet, const struct hp_hop* hop,
                                                            __u32 now) {
    if ((__s32)(hop->until - now) <= 0 || packet->length > hop->mtu || packet->hops_left <= 1) return 0;
    const __u32 link = hop->link;
    const struct hp_link* out = bpf_map_lookup_elem(&hp_links, &link);
    return out && out->takes_frames_until && (__s32)(out->takes_frames_until - now) > 0 ? out : 0;
}

SEC("xdp")
int hp_in_driver(struct xdp_md* frame) {
    const __u32 from = frame->ingress_ifindex;
    struct ethhdr* ethernet = hp_at(frame, 0, sizeof *ethernet);
    const struct hp_link* link = bpf_map_lookup_elem(&hp_links, &from);
    /* Frames to others come here, too, where a switch does not know better or somebody listens in. */
    if (!ethernet || !link || !hp_is_mac(link->mac, ethernet->h_dest)) return XDP_PASS;
    struct hp_packet packet = {0};
    if (hp_parse(frame, ethernet->h_proto, &packet) != HP_WHOLE || packet.first) return XDP_PASS;
    if (!hp_concerns_us(&packet.tuple)) return XDP_PASS;
    struct hp_half* half = hp_find(&packet.tuple);
    if (!half || (half->marks & HP_FROM_INSIDE && link->outside)) return XDP_PASS;
    const __u32 now = hp_now();
    const struct hp_hop hop = half->hop;
    const struct hp_link* out = hp_may_send_on(&packet, &hop, now);
    if (!out || !hp_is_plain(&packet, half)) return XDP_PASS;

    __be16* ports = hp_at(frame, packet.payload, 2 * sizeof *ports);
    __u16* check = hp_check_of(frame, &packet);
    if (!ports || !check || hp_may_be_partial(&packet, *check)) return XDP_PASS;
    if (hp_rewrite_ip(frame, &half->translated, 1)) return XDP_PASS;
    hp_translate_ports(half, ports, check);
    __builtin_memcpy(ethernet->h_dest, hop.to, sizeof ethernet->h_dest);
    __builtin_memcpy(ethernet->h_source, out->mac, sizeof ethernet->h_source);
    half->seen = now;
    __sync_fetch_and_add(&half->bytes, packet.length);
    return (int)bpf_redirect(hop.link, 0);
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
