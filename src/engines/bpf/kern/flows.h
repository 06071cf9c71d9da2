/* Flows: two halves each, found by the packets of either direction.
 *
 * Theory of operation. The half to the client is made first, for its key is the reservation of the source port: only
 * one processor can make it. Then the half to the backend; where another processor was quicker with the same client's
 * packet, ours is taken back and theirs holds. Halves are never evicted. They rest until the daemon sweeps them, but
 * for a flow that has ended and is begun anew.
 *
 * A half is `closed` once a reset or the FIN of both sides was seen. The rare packets that say so mark both halves, so
 * that either tells. A reset may be forged, and then its receiver ignores it (RFC 5961); so what comes after one that
 * is no beginning takes the mark back. */
#pragma once

#include "engines/bpf/kern/choose.h"

#define HP_LOOPBACK 1 /* the index of `lo`, in every network namespace */
#define HP_TRIES 256  /* of ports, in a row from a random one */

static __always_inline struct hp_settings* hp_told(void) {
    const __u32 zero = 0;
    return bpf_map_lookup_elem(&hp_settings, &zero);
}

static __always_inline int hp_closed(const struct hp_half* half) {
    const __u16 both = HP_FIN_OF_CLIENT | HP_FIN_OF_BACKEND;
    return half->marks & HP_RESET || (half->marks & both) == both;
}

/* The key of the other half of a flow: how its answers look when they arrive. */
static __always_inline void hp_reversed(const struct hp_tuple* tuple, struct hp_tuple* reversed) {
    reversed->source = tuple->destination;
    reversed->destination = tuple->source;
    reversed->source_port = tuple->destination_port;
    reversed->destination_port = tuple->source_port;
    reversed->protocol = tuple->protocol;
    __builtin_memset(reversed->zero, 0, sizeof reversed->zero);
}

static __always_inline int hp_is_reverse(const struct hp_tuple* a, const struct hp_tuple* b) {
    return hp_same(&a->source, &b->destination) && hp_same(&a->destination, &b->source) &&
           a->source_port == b->destination_port && a->destination_port == b->source_port && a->protocol == b->protocol;
}

/* The other half of the flow of a half, by its own key; null where it has gone, or belongs to another flow by now. */
static __always_inline struct hp_half* hp_other(const struct hp_tuple* key, const struct hp_half* half) {
    struct hp_tuple reversed;
    hp_reversed(&half->translated, &reversed);
    struct hp_half* other = bpf_map_lookup_elem(&hp_halves, &reversed);
    return other && hp_is_reverse(&other->translated, key) ? other : 0;
}

static __always_inline __u64 hp_tuple_ports_change(const struct hp_tuple* from, const struct hp_tuple* to) {
    return hp_port_change(from->source_port, to->source_port) +
           hp_port_change(from->destination_port, to->destination_port);
}

static __always_inline void hp_fill_half(struct hp_half* half, const struct hp_tuple* key, __u32 now) {
    const struct hp_tuple* to = &half->translated;
    half->addresses_changed = hp_fold32(hp_address_change(&key->source, &to->source) +
                                        hp_address_change(&key->destination, &to->destination));
    half->ports_changed = hp_fold32(hp_tuple_ports_change(key, to));
    half->began = half->seen = now;
    half->bytes = 0;
    __builtin_memset(&half->hop, 0, sizeof half->hop);
    half->hop.until = now;
}

static __always_inline void hp_count_ended(const struct hp_half* half) {
    struct hp_counts* counts = bpf_map_lookup_elem(&hp_counts, &half->service);
    if (counts) __sync_fetch_and_add(&counts->bytes[half->direction & 1], half->bytes);
}

/* Both halves of a flow, by the key of either. The half to the client goes last: it holds the port. */
HP_APART int hp_forget(const struct hp_tuple* key, const struct hp_half* half) {
    if (!key || !half) return 0;
    struct hp_tuple reversed;
    hp_reversed(&half->translated, &reversed);
    const int to_backend = half->direction == HP_TO_BACKEND;
    const struct hp_half* other = hp_other(key, half);
    hp_count_ended(half);
    if (other) hp_count_ended(other);
    if (to_backend || !other) bpf_map_delete_elem(&hp_halves, key);
    if (other) bpf_map_delete_elem(&hp_halves, &reversed);
    if (other && !to_backend) bpf_map_delete_elem(&hp_halves, key);
    return 0;
}

/* Whether the half to the client that is in the way of a new flow may be overwritten. */
static __always_inline int hp_may_replace(const struct hp_tuple* key, const struct hp_tuple* translated) {
    const struct hp_half* there = bpf_map_lookup_elem(&hp_halves, key);
    if (!there) return 1;
    if (hp_closed(there)) {
        hp_count_ended(there);
        return 1;
    }
    /* A half of the very same flow, whose other half is gone or is being made. */
    return hp_same(&there->translated.destination, &translated->destination) &&
           hp_same(&there->translated.source, &translated->source) &&
           there->translated.destination_port == translated->destination_port &&
           there->translated.source_port == translated->source_port;
}

#define HP_TAKEN -17 /* EEXIST */

struct hp_search {
    struct hp_draft* draft;
    __u32 first_port; /* of the free ones */
    __u32 ports;
    __u32 start;
    int failed;
};

/* Tries one port. In a loop of the kernel's, for the verifier would walk through one of ours. */
static long hp_try_port(__u32 number, struct hp_search* search) {
    struct hp_draft* draft = search->draft;
    const __u32 port = search->first_port + (search->start + number) % search->ports;
    draft->back.destination_port = bpf_htons((__u16)port);
    draft->back_half.ports_changed = hp_fold32(hp_tuple_ports_change(&draft->back, &draft->back_half.translated));
    search->failed = (int)bpf_map_update_elem(&hp_halves, &draft->back, &draft->back_half, BPF_NOEXIST);
    return search->failed != HP_TAKEN;
}

/* Makes the half to the client, with a source port that no other flow to this backend has. */
static __always_inline int hp_reserve(struct hp_draft* draft, const struct hp_tuple* asked, int keeps_port, __u32 now) {
    struct hp_tuple* back = &draft->back;
    back->destination_port = asked->source_port;
    hp_fill_half(&draft->back_half, back, now);
    if (keeps_port) {
        long failed = bpf_map_update_elem(&hp_halves, back, &draft->back_half, BPF_NOEXIST);
        if (failed == HP_TAKEN && hp_may_replace(back, &draft->back_half.translated)) {
            failed = bpf_map_update_elem(&hp_halves, back, &draft->back_half, BPF_ANY);
        }
        if (failed != HP_TAKEN) return (int)failed;
    }
    const struct hp_settings* settings = hp_told();
    if (!settings || !settings->ports) return HP_TAKEN;
    struct hp_search search = {.draft = draft,
                               .first_port = settings->first_port,
                               .ports = settings->ports,
                               .start = bpf_get_prandom_u32(),
                               .failed = HP_TAKEN};
    bpf_loop(settings->ports < HP_TRIES ? settings->ports : HP_TRIES, hp_try_port, &search, 0);
    return search.failed;
}

/* Whether the flow of a client's packet, by whichever processor it was made, is answered by such packets. */
static __always_inline int hp_leads_to(const struct hp_tuple* asked, const struct hp_tuple* back) {
    const struct hp_half* forth = bpf_map_lookup_elem(&hp_halves, asked);
    return forth && hp_is_reverse(&forth->translated, back);
}

enum hp_opening {
    HP_OPENED,
    HP_REFUSED, /* the client is to be told so */
    HP_IGNORED,
};

/* Makes the flow that begins with this packet. */
HP_APART int hp_open(const struct hp_packet* packet, __u32 link, const struct hp_endpoint* endpoint) {
    if (!packet || !endpoint) return HP_IGNORED;
    const struct hp_tuple* asked = &packet->tuple;
    const __u32 zero = 0;
    struct hp_draft* draft = bpf_map_lookup_elem(&hp_drafts, &zero);
    const struct hp_rules* rules = bpf_map_lookup_elem(&hp_rules_of, &endpoint->rules);
    struct hp_counts* counts = bpf_map_lookup_elem(&hp_counts, &endpoint->service);
    if (!draft || !rules || !counts) return HP_IGNORED;
    const struct hp_backend* backend = hp_choose(asked, endpoint, rules, counts);
    if (!backend) return HP_IGNORED;
    const enum hp_path path = hp_path_of(&asked->source, backend);
    /* Forged addresses. */
    const int inside = hp_lies_in(HP_INSIDE, &asked->source);
    if (inside && hp_is_outside(link)) return HP_IGNORED;
    if (path == HP_PATH_LOCAL && link != HP_LOOPBACK) return HP_IGNORED;
    struct hp_shown shown;
    hp_show(&shown, asked, path, backend, rules);

    const __u32 now = hp_now();
    struct hp_half* forth = &draft->forth_half;
    struct hp_half* half = &draft->back_half;
    half->translated.source = asked->destination;
    half->translated.source_port = asked->destination_port;
    half->translated.destination = asked->source;
    half->translated.destination_port = asked->source_port;
    forth->translated.protocol = half->translated.protocol = draft->back.protocol = asked->protocol;
    forth->service = half->service = endpoint->service;
    forth->path = half->path = path;
    forth->direction = HP_TO_BACKEND;
    half->direction = HP_TO_CLIENT;
    forth->marks = inside ? HP_FROM_INSIDE : 0;
    half->marks = path == HP_PATH_LOCAL ? HP_VIA_LOOPBACK : 0;
    if (hp_lies_in(HP_OWN, &backend->address)) {
        forth->marks |= hp_lies_in(HP_OWN, &shown.address) ? HP_VIA_LOOPBACK : HP_STAYS;
        half->marks |= HP_FROM_GATEWAY;
    } else if (hp_lies_in(HP_INSIDE, &backend->address)) {
        half->marks |= HP_FROM_INSIDE;
    }

    draft->back.source = backend->address;
    draft->back.source_port = bpf_htons(backend->first_port + endpoint->offset);
    draft->back.destination = shown.address;
    const int failed = hp_reserve(draft, asked, shown.keeps_port, now);
    if (failed) {
        __sync_fetch_and_add(&counts->refused[failed == HP_TAKEN ? HP_REFUSED_PORTS : HP_REFUSED_MEMORY], 1);
        return HP_REFUSED;
    }
    forth->translated.source = draft->back.destination;
    forth->translated.source_port = draft->back.destination_port;
    forth->translated.destination = draft->back.source;
    forth->translated.destination_port = draft->back.source_port;
    hp_fill_half(forth, asked, now);
    const long lost = bpf_map_update_elem(&hp_halves, asked, forth, BPF_NOEXIST);
    if (lost && !hp_leads_to(asked, &draft->back)) bpf_map_delete_elem(&hp_halves, &draft->back);
    if (lost && lost != HP_TAKEN) {
        __sync_fetch_and_add(&counts->refused[HP_REFUSED_MEMORY], 1);
        return HP_REFUSED;
    }
    if (!lost) __sync_fetch_and_add(&counts->accepted[path], 1);
    return HP_OPENED;
}

/* What the flags of a TCP segment say about its flow. */
static __always_inline void hp_follow(const struct hp_packet* packet, struct hp_half* half) {
    if (packet->tuple.protocol != IPPROTO_TCP) return;
    if (half->direction == HP_TO_BACKEND && !(packet->tcp_flags & HP_TCP_SYN) && !(half->marks & HP_ESTABLISHED)) {
        half->marks |= HP_ESTABLISHED;
    }
    const __u8 ends = packet->tcp_flags & (HP_TCP_FIN | HP_TCP_RST);
    if (!ends && !(half->marks & HP_RESET)) return;
    __u16 add = 0;
    __u16 keep = (__u16)~0;
    if (packet->tcp_flags & HP_TCP_RST) {
        add = HP_RESET;
    } else {
        keep = (__u16)~HP_RESET;
        if (ends) add = half->direction == HP_TO_BACKEND ? HP_FIN_OF_CLIENT : HP_FIN_OF_BACKEND;
    }
    half->marks = (half->marks & keep) | add;
    struct hp_half* other = hp_other(&packet->tuple, half);
    if (other) other->marks = (other->marks & keep) | add;
}
