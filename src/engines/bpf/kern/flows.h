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

#include "engines/bpf/kern/insert.h"
#include "engines/bpf/kern/rates.h"

#define HP_LOOPBACK 1   /* the index of `lo`, in every network namespace */
#define HP_DRAWS 256    /* of ports at random, which find one soon as long as some are free; */
#define HP_IN_A_ROW 256 /* and after those from a random one on, so that of few the last is found */

static __always_inline struct hp_settings* hp_told(void) {
    const __u32 zero = 0;
    return bpf_map_lookup_elem(&hp_settings, &zero);
}

static __always_inline int hp_closed(const struct hp_half* half) {
    const __u8 both = HP_FIN_OF_CLIENT | HP_FIN_OF_BACKEND;
    return half->marks & HP_RESET || (half->marks & both) == both;
}

static __always_inline struct hp_ends hp_ends_of(const struct hp_tuple* tuple) {
    struct hp_ends ends = {tuple->source, tuple->destination, tuple->source_port, tuple->destination_port};
    return ends;
}

/* How the answers to such packets look when they arrive. */
static __always_inline void hp_reversed(const struct hp_ends* ends, __u8 protocol, struct hp_tuple* reversed) {
    reversed->source = ends->destination;
    reversed->destination = ends->source;
    reversed->source_port = ends->destination_port;
    reversed->destination_port = ends->source_port;
    reversed->protocol = protocol;
    __builtin_memset(reversed->zero, 0, sizeof reversed->zero);
}

/* Whether a half leads to packets that `answer` answers. */
static __always_inline int hp_is_answered_by(const struct hp_half* half, const struct hp_tuple* answer) {
    const struct hp_ends* to = &half->translated;
    return hp_same(&to->source, &answer->destination) && hp_same(&to->destination, &answer->source) &&
           to->source_port == answer->destination_port && to->destination_port == answer->source_port &&
           half->protocol == answer->protocol;
}

/* The other half of the flow of a half, by its own key; null where it has gone, or belongs to another flow by now.
 * `reversed`: gets the other's key. */
static __always_inline struct hp_half* hp_other_at(const struct hp_tuple* key, const struct hp_half* half,
                                                   struct hp_tuple* reversed) {
    hp_reversed(&half->translated, half->protocol, reversed);
    struct hp_half* other = hp_find(reversed);
    return other && hp_is_answered_by(other, key) ? other : 0;
}

static __always_inline struct hp_half* hp_other(const struct hp_tuple* key, const struct hp_half* half) {
    struct hp_tuple reversed;
    return hp_other_at(key, half, &reversed);
}

static __always_inline __u64 hp_ports_change(const struct hp_tuple* from, const struct hp_ends* to) {
    return hp_port_change(from->source_port, to->source_port) +
           hp_port_change(from->destination_port, to->destination_port);
}

/* `link`: where to, if no table says so. */
static __always_inline void hp_fill_half(struct hp_half* half, const struct hp_tuple* key, __u32 link, __u32 now) {
    const struct hp_ends* to = &half->translated;
    half->protocol = key->protocol;
    half->addresses_changed = hp_fold16(hp_address_change(&key->source, &to->source) +
                                        hp_address_change(&key->destination, &to->destination));
    half->ports_changed = hp_fold16(hp_ports_change(key, to));
    half->began = half->seen = now;
    half->bytes = 0;
    __builtin_memset(&half->hop, 0, sizeof half->hop);
    half->hop.until = now;
    half->hop.link = (__u16)link;
}

static __always_inline void hp_count_ended(const struct hp_half* half) {
    const __u32 service = half->service;
    struct hp_counts* counts = bpf_map_lookup_elem(&hp_counts, &service);
    if (counts) __sync_fetch_and_add(&counts->bytes[half->direction & 1], half->bytes);
}

/* Both halves of a flow, by the key of either. The half to the client goes last: it holds the port. */
HP_APART int hp_forget(const struct hp_tuple* key, const struct hp_half* half, __u32 now) {
    if (!key || !half) return 0;
    struct hp_tuple reversed;
    const int to_backend = half->direction == HP_TO_BACKEND;
    const struct hp_half* other = hp_other_at(key, half, &reversed);
    hp_count_ended(half);
    if (other) hp_count_ended(other);
    if (to_backend || !other) hp_remove(key, now);
    if (other) hp_remove(&reversed, now);
    if (other && !to_backend) hp_remove(key, now);
    return 0;
}

/* Whether the half to the client that is in the way of a new flow may be overwritten. */
static __always_inline int hp_may_replace(const struct hp_tuple* key, const struct hp_ends* translated) {
    const struct hp_half* there = hp_find(key);
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

struct hp_search {
    struct hp_drafted* back;
    __u32 first_port; /* of the free ones */
    __u32 ports;
    __u32 start;
    int failed;
};

/* Tries one port. In a loop of the kernel's, for the verifier would walk through one of ours. */
static long hp_try_port(__u32 number, struct hp_search* search) {
    struct hp_drafted* back = search->back;
    const __u32 offset = number < HP_DRAWS ? bpf_get_prandom_u32() : search->start + number;
    const __u32 port = search->first_port + offset % search->ports;
    back->key.destination_port = bpf_htons((__u16)port);
    back->half.ports_changed = hp_fold16(hp_ports_change(&back->key, &back->half.translated));
    search->failed = hp_insert(HP_TO_CLIENT);
    return search->failed != HP_TAKEN;
}

/* Makes the half to the client, with a source port that no other flow to this backend has: the client's own, where it
 * keeps that, or another one, where it need not. */
static __always_inline int hp_reserve(struct hp_drafted* back, const struct hp_tuple* asked, int keeps_port,
                                      int needs_port, __u32 link, __u32 now) {
    back->key.destination_port = asked->source_port;
    hp_fill_half(&back->half, &back->key, link, now);
    if (keeps_port) {
        int failed = hp_insert(HP_TO_CLIENT);
        if (failed == HP_TAKEN && hp_may_replace(&back->key, &back->half.translated)) {
            hp_remove(&back->key, now);
            failed = hp_insert(HP_TO_CLIENT);
        }
        if (failed != HP_TAKEN || needs_port) return failed;
    }
    const struct hp_settings* settings = hp_told();
    if (!settings || !settings->ports) return HP_TAKEN;
    struct hp_search search = {.back = back,
                               .first_port = settings->first_port,
                               .ports = settings->ports,
                               .start = bpf_get_prandom_u32(),
                               .failed = HP_TAKEN};
    bpf_loop(HP_DRAWS + HP_IN_A_ROW, hp_try_port, &search, 0);
    return search.failed;
}

/* Whether the flow of a client's packet, by whichever processor it was made, is answered by such packets. */
static __always_inline int hp_leads_to(const struct hp_tuple* asked, const struct hp_tuple* back) {
    const struct hp_half* forth = hp_find(asked);
    return forth && hp_is_answered_by(forth, back);
}

enum hp_opening {
    HP_OPENED,
    HP_NOT_SERVED, /* the client is to be told that nobody listens, */
    HP_NO_ROOM,    /* or that it cannot be served now */
    HP_IGNORED,
    HP_UNKNOWN, /* it goes on with a connection that is not told by the configuration */
};

static __always_inline enum hp_opening hp_not_opened(struct hp_counts* counts, enum hp_refusal refusal, int begins) {
    if (!begins) return refusal == HP_REFUSED_MEMORY ? HP_IGNORED : HP_UNKNOWN;
    __sync_fetch_and_add(&counts->refused[refusal], 1);
    return refusal == HP_REFUSED_PORTS || refusal == HP_REFUSED_MEMORY ? HP_NO_ROOM : HP_NOT_SERVED;
}

static __always_inline void hp_count_accepted(struct hp_counts* counts, __u32 service, const struct hp_backend* backend,
                                              enum hp_path path) {
    const struct hp_place place = {service, backend->first_port, 0, backend->address};
    struct hp_came* came = bpf_map_lookup_elem(&hp_came_to, &place);
    if (came) __sync_fetch_and_add(&came->accepted[path], 1);
    __sync_fetch_and_add(&counts->accepted[path], 1);
}

/* Makes the flow of a client's packet, or counts why not. Either it begins one; or it goes on with one that this
 * gateway has not seen begin, for another did or its table was lost. Then the configuration alone must say all of it:
 * by its address the client's backend, and that it keeps its port. */
HP_APART int hp_open(const struct hp_packet* packet, __u32 link, const struct hp_endpoint* endpoint) {
    if (!packet || !endpoint) return HP_IGNORED;
    const int begins = hp_begins(packet);
    const __u32 zero = 0, number = endpoint->rules, service = endpoint->service;
    struct hp_draft* draft = bpf_map_lookup_elem(&hp_drafts, &zero);
    const struct hp_rules* rules = bpf_map_lookup_elem(&hp_rules_of, &number);
    struct hp_counts* counts = bpf_map_lookup_elem(&hp_counts, &service);
    if (!draft || !rules || !counts) return HP_IGNORED;
    struct hp_tuple* asked = &draft->half[HP_TO_BACKEND].key;
    struct hp_tuple* back = &draft->half[HP_TO_CLIENT].key;
    *asked = packet->tuple;
    const int inside = hp_lies_in(HP_INSIDE, &asked->source);
    if (inside && hp_is_outside(link)) return HP_IGNORED;                             /* a forged address */
    if (link != HP_LOOPBACK && hp_lies_in(HP_OWN, &asked->source)) return HP_IGNORED; /* so is ours, from a wire */
    if (!hp_admits(rules, &asked->source)) return hp_not_opened(counts, HP_REFUSED_DENIED, begins);
    if (!endpoint->share.choices) return hp_not_opened(counts, HP_REFUSED_BACKEND, begins);
    if (begins && !hp_is_within_rates(&asked->source, service, rules, counts))
        return hp_not_opened(counts, HP_REFUSED_LIMITS, begins);
    const struct hp_share* share = hp_share_of(endpoint, &asked->source);
    if (!share->choices) return hp_not_opened(counts, HP_REFUSED_DENIED, begins);
    if (!begins && share->choices > 1 && rules->balance == HP_ROUND_ROBIN) return HP_UNKNOWN;
    const struct hp_backend* backend = hp_choose(asked, share, rules, counts);
    if (!backend) return HP_IGNORED;
    const enum hp_path path = hp_path_of(&asked->source, backend);
    struct hp_shown shown;
    hp_show(&shown, asked, path, backend, rules);
    if (!begins && !shown.keeps_port) return HP_UNKNOWN;

    const __u32 now = hp_now();
    struct hp_half* forth = &draft->half[HP_TO_BACKEND].half;
    struct hp_half* half = &draft->half[HP_TO_CLIENT].half;
    half->translated.source = asked->destination;
    half->translated.source_port = asked->destination_port;
    half->translated.destination = asked->source;
    half->translated.destination_port = asked->source_port;
    back->protocol = asked->protocol;
    forth->service = half->service = endpoint->service;
    forth->path = half->path = path;
    forth->direction = HP_TO_BACKEND;
    half->direction = HP_TO_CLIENT;
    forth->adopted = half->adopted = !begins;
    forth->marks = inside ? HP_FROM_INSIDE : 0;
    half->marks = path == HP_PATH_LOCAL ? HP_VIA_LOOPBACK : 0;
    if (hp_lies_in(HP_OWN, &backend->address)) {
        forth->marks |= hp_lies_in(HP_OWN, &shown.address) ? HP_VIA_LOOPBACK : HP_STAYS;
        half->marks |= HP_FROM_GATEWAY;
    } else if (hp_lies_in(HP_INSIDE, &backend->address)) {
        half->marks |= HP_FROM_INSIDE;
    }

    back->source = backend->address;
    back->source_port = bpf_htons(backend->first_port + endpoint->offset);
    back->destination = shown.address;
    const int failed = hp_reserve(&draft->half[HP_TO_CLIENT], asked, shown.keeps_port, !begins, link, now);
    if (failed) return hp_not_opened(counts, failed == HP_TAKEN ? HP_REFUSED_PORTS : HP_REFUSED_MEMORY, begins);
    forth->translated.source = back->destination;
    forth->translated.source_port = back->destination_port;
    forth->translated.destination = back->source;
    forth->translated.destination_port = back->source_port;
    hp_fill_half(forth, asked, 0, now);
    const int lost = hp_insert(HP_TO_BACKEND);
    if (lost && !hp_leads_to(asked, back)) hp_remove(back, now);
    if (lost && lost != HP_TAKEN) return hp_not_opened(counts, HP_REFUSED_MEMORY, begins);
    if (!lost) hp_count_accepted(counts, endpoint->service, backend, path);
    return HP_OPENED;
}

/* A client's segment after its SYN says that its address is no invention. Of a flow that was adopted the backend says
 * it, which would answer an invention with a reset; so a flood of those leaves nothing that lasts. */
static __always_inline void hp_follow_opening(const struct hp_packet* packet, struct hp_half* half) {
    const __u8 says_so = half->adopted ? HP_TO_CLIENT : HP_TO_BACKEND;
    if (half->marks & HP_ESTABLISHED || half->direction != says_so || packet->tcp_flags & HP_TCP_SYN) return;
    if (half->adopted && packet->tcp_flags & HP_TCP_RST) return;
    half->marks |= HP_ESTABLISHED;
    if (!half->adopted) return;
    struct hp_half* other = hp_other(&packet->tuple, half);
    if (other) other->marks |= HP_ESTABLISHED;
}

/* What the flags of a TCP segment say about its flow. */
static __always_inline void hp_follow(const struct hp_packet* packet, struct hp_half* half) {
    if (packet->tuple.protocol != IPPROTO_TCP) return;
    hp_follow_opening(packet, half);
    const __u8 ends = packet->tcp_flags & (HP_TCP_FIN | HP_TCP_RST);
    if (!ends && !(half->marks & HP_RESET)) return;
    __u8 add = 0;
    __u8 keep = (__u8)~0;
    if (packet->tcp_flags & HP_TCP_RST) {
        add = HP_RESET;
    } else {
        keep = (__u8)~HP_RESET;
        if (ends) add = half->direction == HP_TO_BACKEND ? HP_FIN_OF_CLIENT : HP_FIN_OF_BACKEND;
    }
    half->marks = (half->marks & keep) | add;
    struct hp_half* other = hp_other(&packet->tuple, half);
    if (other) other->marks = (other->marks & keep) | add;
}
