/* Flows: two halves each, found by the packets of either direction.
 *
 * Theory of operation. The half to the client is made first, for its key is the reservation of the source port: only
 * one processor can make it. Then the half to the backend; where another processor was quicker with the same client's
 * packet, ours is taken back and theirs holds. Live halves are never evicted. They rest until the daemon sweeps
 * them, but for those of a flow that has ended and is begun anew, or whose port another one needs.
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
#define HP_ENOUGH 32    /* tries, where one met a port whose flow has ended, */
#define HP_LONG_SILENCE (1000000000 >> HP_TICK_BITS) /* and is silent for so many ticks */
#define HP_ROUNDS 4                                  /* where another processor took that one */

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
    struct hp_half* other = hp_find_anywhere(reversed);
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

/* A half that is this one still, and not another one's by now. */
static __always_inline int hp_end(const struct hp_tuple* key, const struct hp_half* half, __u32 began, __u32 now) {
    if (!hp_remove(key, began, now)) return 0;
    hp_count_ended(half);
    return 1;
}

/* Both halves of a flow, by the key of either; whether that one was taken away here. The half to the client goes last:
 * it holds the port. `reversed`: gets the other key. */
static __always_inline int hp_end_both(const struct hp_tuple* key, const struct hp_half* half, __u32 now,
                                       struct hp_tuple* reversed) {
    const __u32 began = half->began;
    const int to_backend = half->direction == HP_TO_BACKEND;
    const struct hp_half* other = hp_other_at(key, half, reversed);
    if (!other) return hp_end(key, half, began, now);
    if (!to_backend) {
        hp_end(reversed, other, other->began, now);
        return hp_end(key, half, began, now);
    }
    const int ended = hp_end(key, half, began, now);
    hp_end(reversed, other, other->began, now);
    return ended;
}

HP_APART int hp_forget(const struct hp_tuple* key, const struct hp_half* half, __u32 now) {
    if (!key || !half) return 0;
    struct hp_tuple reversed;
    hp_end_both(key, half, now, &reversed);
    return 0;
}

static __always_inline void hp_draft_port(struct hp_drafted* back, __be16 port) {
    back->key.destination_port = port;
    back->half.ports_changed = hp_fold16(hp_ports_change(&back->key, &back->half.translated));
}

/* For how long neither side of a flow has been heard, in ticks; negative where it was heard just now. */
static __always_inline __s32 hp_silence(const struct hp_half* half, const struct hp_half* other, __u32 now) {
    const __s32 of_one = (__s32)(now - half->seen);
    const __s32 of_other = other ? (__s32)(now - other->seen) : of_one;
    return of_one < of_other ? of_one : of_other;
}

/* Tries one port. In a loop of the kernel's, for the verifier would walk through one of ours. */
static long hp_try_port(__u32 number, void* unused) {
    (void)unused;
    const __u32 zero = 0;
    struct hp_draft* draft = bpf_map_lookup_elem(&hp_drafts, &zero);
    if (!draft || !draft->search.ports) return 1;
    struct hp_drafted* back = &draft->half[HP_TO_CLIENT];
    struct hp_search* search = &draft->search;
    const __u32 offset = number < HP_DRAWS ? bpf_get_prandom_u32() : search->start + number;
    hp_draft_port(back, bpf_htons((__u16)(search->first_port + offset % search->ports)));
    search->failed = hp_insert(HP_TO_CLIENT);
    if (search->failed != HP_TAKEN) return 1;
    const struct hp_half* there = hp_find(&back->key);
    if (there && hp_closed(there)) {
        const __s32 silence = hp_silence(there, hp_other_at(&back->key, there, &search->reversed), search->now);
        if (silence > search->silence) {
            search->silence = silence;
            search->ended = back->key.destination_port;
        }
    }
    return number >= HP_ENOUGH && search->silence >= HP_LONG_SILENCE;
}

/* A free port, or else that of a flow that has ended, the one of those met that has been silent the longest: it would
 * rest for minutes yet (RFC 7857 2.2), but whoever begins needs it now (RFC 6191). */
HP_APART int hp_find_port(__u32 now) {
    const __u32 zero = 0;
    struct hp_draft* draft = bpf_map_lookup_elem(&hp_drafts, &zero);
    const struct hp_settings* settings = hp_told();
    if (!draft || !settings || !settings->ports) return HP_TAKEN;
    struct hp_drafted* back = &draft->half[HP_TO_CLIENT];
    struct hp_search* search = &draft->search;
    search->first_port = settings->first_port;
    search->ports = settings->ports;
    search->now = now;
    for (int i = 0; i < HP_ROUNDS; ++i) {
        search->start = bpf_get_prandom_u32();
        search->silence = -1;
        search->ended = 0;
        bpf_loop(HP_DRAWS + HP_IN_A_ROW, hp_try_port, 0, 0);
        if (search->failed != HP_TAKEN || !search->ended) break;
        hp_draft_port(back, search->ended);
        const struct hp_half* there = hp_find(&back->key);
        if (!there || !hp_closed(there) || !hp_end_both(&back->key, there, now, &search->reversed)) continue;
        search->failed = hp_insert(HP_TO_CLIENT);
        if (search->failed != HP_TAKEN) break;
    }
    return search->failed;
}

/* Makes the half to the client with the client's own port. Another processor may be making it for the same flow: then
 * it is that one. */
static __always_inline int hp_keep_port(struct hp_drafted* back, __u32 now) {
    const int failed = hp_insert(HP_TO_CLIENT);
    if (failed != HP_TAKEN) return failed;
    const struct hp_half* there = hp_find(&back->key);
    if (there && !hp_closed(there)) {
        const struct hp_ends* to = &back->half.translated;
        const int same = hp_same(&there->translated.destination, &to->destination) &&
                         hp_same(&there->translated.source, &to->source) &&
                         there->translated.destination_port == to->destination_port &&
                         there->translated.source_port == to->source_port;
        return same ? 0 : HP_TAKEN;
    }
    if (there) hp_end(&back->key, there, there->began, now);
    return hp_insert(HP_TO_CLIENT);
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

static __always_inline void hp_count_accepted(struct hp_counts* counts, const struct hp_place* backend,
                                              enum hp_path path) {
    struct hp_came* came = bpf_map_lookup_elem(&hp_came_to, backend);
    if ((int)path >= HP_PATHS) return; /* never: for the verifier */
    if (came) __sync_fetch_and_add(&came->accepted[path], 1);
    __sync_fetch_and_add(&counts->accepted[path], 1);
}

/* Drafts the flow of a client's packet, or counts why not. Either it begins one; or it goes on with one that this
 * gateway has not seen begin, for another did or its table was lost. Then the configuration alone must say all of it:
 * by its address the client's backend, and that it keeps its port. */
HP_APART int hp_draft_flow(const struct hp_packet* packet, __u32 link, const struct hp_endpoint* endpoint) {
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
    const struct hp_share* share = hp_share_of(endpoint, &asked->source);
    if (!share->choices) return hp_not_opened(counts, HP_REFUSED_DENIED, begins);
    if (begins && !hp_is_within_rates(&asked->source, service, rules))
        return hp_not_opened(counts, HP_REFUSED_LIMITS, begins);
    if (!begins && share->choices > 1 && rules->balance == HP_ROUND_ROBIN) return HP_UNKNOWN;
    const struct hp_backend* backend = hp_choose(asked, share, rules, counts);
    if (!backend) return HP_IGNORED;
    const enum hp_path path = hp_path_of(&asked->source, backend);
    struct hp_shown shown;
    hp_show(&shown, asked, path, backend, rules);
    if (!begins && !shown.keeps_port) return HP_UNKNOWN;

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
    draft->keeps_port = shown.keeps_port;
    draft->backend.service = endpoint->service;
    draft->backend.first_port = backend->first_port;
    draft->backend.address = backend->address;
    return HP_OPENED;
}

/* Makes the half to the client of the flow that is drafted, or counts why not. It gets a source port that no other flow
 * to this backend has: the client's own, where it keeps that, or another one, where it need not. */
HP_APART int hp_reserve(__u32 link) {
    const __u32 zero = 0, now = hp_now();
    struct hp_draft* draft = bpf_map_lookup_elem(&hp_drafts, &zero);
    if (!draft) return HP_IGNORED;
    struct hp_drafted* back = &draft->half[HP_TO_CLIENT];
    const int begins = !back->half.adopted;
    back->key.destination_port = back->half.translated.destination_port;
    hp_fill_half(&back->half, &back->key, link, now);
    int failed = draft->keeps_port ? hp_keep_port(back, now) : HP_TAKEN;
    if (failed == HP_TAKEN && begins) failed = hp_find_port(now);
    if (!failed) return HP_OPENED;
    const __u32 service = back->half.service;
    struct hp_counts* counts = bpf_map_lookup_elem(&hp_counts, &service);
    if (!counts) return HP_IGNORED;
    return hp_not_opened(counts, failed == HP_TAKEN ? HP_REFUSED_PORTS : HP_REFUSED_MEMORY, begins);
}

/* Makes the half to the backend. */
HP_APART int hp_enter(void) {
    const __u32 zero = 0, now = hp_now();
    struct hp_draft* draft = bpf_map_lookup_elem(&hp_drafts, &zero);
    if (!draft) return HP_IGNORED;
    struct hp_tuple* asked = &draft->half[HP_TO_BACKEND].key;
    struct hp_tuple* back = &draft->half[HP_TO_CLIENT].key;
    struct hp_half* forth = &draft->half[HP_TO_BACKEND].half;
    forth->translated.source = back->destination;
    forth->translated.source_port = back->destination_port;
    forth->translated.destination = back->source;
    forth->translated.destination_port = back->source_port;
    hp_fill_half(forth, asked, 0, now);
    const int lost = hp_insert(HP_TO_BACKEND);
    if (lost && !hp_leads_to(asked, back)) hp_remove(back, draft->half[HP_TO_CLIENT].half.began, now);
    if (lost == HP_TAKEN) return HP_OPENED;
    const __u32 service = forth->service;
    struct hp_counts* counts = bpf_map_lookup_elem(&hp_counts, &service);
    if (!counts) return HP_IGNORED;
    if (lost) return hp_not_opened(counts, HP_REFUSED_MEMORY, !forth->adopted);
    hp_count_accepted(counts, &draft->backend, forth->path);
    return HP_OPENED;
}

static __always_inline int hp_open(const struct hp_packet* packet, __u32 link, const struct hp_endpoint* endpoint) {
    int opening = hp_draft_flow(packet, link, endpoint);
    if (opening == HP_OPENED) opening = hp_reserve(link);
    return opening == HP_OPENED ? hp_enter() : opening;
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
