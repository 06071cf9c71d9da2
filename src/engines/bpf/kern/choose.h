/* Decides for a new flow: whether it may be, which backend, on which path, and what source the backend sees.
 * model/translate.cc, in lookups. */
#pragma once

#include "engines/bpf/kern/maps.h"
#include "engines/bpf/kern/parse.h"

static __always_inline int hp_lies_in(__u32 network, const struct hp_address* address) {
    struct hp_network key = {
        .length = 8 * (sizeof key.network + sizeof key.address), .network = network, .address = *address};
    return bpf_map_lookup_elem(&hp_networks, &key) != 0;
}

/* model/admission.h */
static __always_inline int hp_admits(const struct hp_rules* rules, const struct hp_address* client) {
    const int family = !hp_is_v4(client);
    const __u32 denied = rules->denied[family], allowed = rules->allowed[family];
    if (denied != HP_NOBODY && hp_lies_in(denied, client)) return 0;
    return allowed == HP_EVERYBODY || hp_lies_in(allowed, client);
}

/* model/path.h */
static __always_inline enum hp_path hp_path_of(const struct hp_address* client, const struct hp_backend* backend) {
    if (hp_lies_in(HP_OWN, client)) return HP_PATH_LOCAL;
    if (hp_same(client, &backend->address)) return HP_PATH_SELF;
    if (hp_lies_in(backend->peers, client)) return HP_PATH_PEER;
    return hp_lies_in(HP_INSIDE, client) ? HP_PATH_ROUTED : HP_PATH_EXTERNAL;
}

static __always_inline __u32 hp_rotated(__u32 word, int bits) { return word << bits | word >> (32 - bits); }

/* lookup3 of one client's address, as model/balance.cc has it. */
#define HP_SEED 0x68616972U

struct hp_hash {
    __u32 a, b, c;
};

static __always_inline void hp_mix(struct hp_hash* h) {
    h->a = (h->a - h->c) ^ hp_rotated(h->c, 4), h->c += h->b;
    h->b = (h->b - h->a) ^ hp_rotated(h->a, 6), h->a += h->c;
    h->c = (h->c - h->b) ^ hp_rotated(h->b, 8), h->b += h->a;
    h->a = (h->a - h->c) ^ hp_rotated(h->c, 16), h->c += h->b;
    h->b = (h->b - h->a) ^ hp_rotated(h->a, 19), h->a += h->c;
    h->c = (h->c - h->b) ^ hp_rotated(h->b, 4), h->b += h->a;
}

static __always_inline __u32 hp_finished(struct hp_hash* h) {
    h->c = (h->c ^ h->b) - hp_rotated(h->b, 14);
    h->a = (h->a ^ h->c) - hp_rotated(h->c, 11);
    h->b = (h->b ^ h->a) - hp_rotated(h->a, 25);
    h->c = (h->c ^ h->b) - hp_rotated(h->b, 16);
    h->a = (h->a ^ h->c) - hp_rotated(h->c, 4);
    h->b = (h->b ^ h->a) - hp_rotated(h->a, 14);
    return (h->c ^ h->b) - hp_rotated(h->b, 24);
}

static __always_inline __u32 hp_source_hash(const struct hp_address* client) {
    const int v4 = hp_is_v4(client);
    const __u32 begin = 0xdeadbeefU + (v4 ? 4 : 16) + HP_SEED;
    struct hp_hash hash = {begin, begin, begin};
    if (v4) {
        hash.a += client->word[3];
        return hp_finished(&hash);
    }
    hash.a += client->word[0], hash.b += client->word[1], hash.c += client->word[2];
    hp_mix(&hash);
    hash.a += client->word[3];
    return hp_finished(&hash);
}

/* slots_of() in model/slots.h: a client that is itself a backend may have less to choose from. */
static __always_inline const struct hp_share* hp_share_of(const struct hp_endpoint* endpoint,
                                                          const struct hp_address* client) {
    if (endpoint->own) {
        const struct hp_client key = {.own = endpoint->own, .address = *client};
        const struct hp_share* own = bpf_map_lookup_elem(&hp_own, &key);
        if (own) return own;
    }
    return &endpoint->share;
}

static __always_inline struct hp_backend* hp_choose(const struct hp_tuple* asked, const struct hp_share* share,
                                                    const struct hp_rules* rules, struct hp_counts* counts) {
    __u32 chosen = share->first_backend;
    if (share->choices > 1) {
        const __u32 slot = rules->balance == HP_ROUND_ROBIN
                               ? __sync_fetch_and_add(&counts->turn, 1) % share->choices
                               : ((__u64)hp_source_hash(&asked->source) * share->choices) >> 32;
        const __u32 key = share->first_choices + slot / HP_CHOICES;
        const struct hp_choices* some = bpf_map_lookup_elem(&hp_choices_of, &key);
        if (!some) return 0;
        chosen += some->backend[slot % HP_CHOICES];
    }
    return bpf_map_lookup_elem(&hp_backends, &chosen);
}

/* What the backend sees of the client. */
struct hp_shown {
    struct hp_address address;
    __u8 keeps_port; /* the client's own */
};

static __always_inline void hp_show_gateway(struct hp_shown* shown, const struct hp_backend* backend) {
    shown->address = backend->facing;
    shown->keeps_port = 0;
}

static __always_inline void hp_show_external(struct hp_shown* shown, const struct hp_tuple* asked,
                                             const struct hp_backend* backend) {
    if (hp_is_link_local(&asked->destination) && !hp_is_link_local(&backend->address)) {
        hp_show_gateway(shown, backend);
        return;
    }
    shown->address = asked->destination;
    shown->keeps_port = 0;
}

static __always_inline void hp_show_client(struct hp_shown* shown, const struct hp_tuple* asked,
                                           const struct hp_backend* backend) {
    if (hp_is_link_local(&asked->source) && !hp_is_link_local(&backend->address)) {
        hp_show_external(shown, asked, backend);
        return;
    }
    shown->address = asked->source;
    shown->keeps_port = 1;
}

static __always_inline void hp_show(struct hp_shown* shown, const struct hp_tuple* asked, enum hp_path path,
                                    const struct hp_backend* backend, const struct hp_rules* rules) {
    __u8 source = rules->source;
    if (source == HP_MAP && (path == HP_PATH_PEER || path == HP_PATH_SELF)) {
        const int family = !hp_is_v4(&asked->source);
        const struct hp_address* host = &rules->map_host[family];
        const struct hp_address* prefix = &rules->map_prefix[family];
        if (rules->has_map[family]) {
            for (int i = 0; i < 4; ++i) {
                shown->address.word[i] = prefix->word[i] | (asked->source.word[i] & host->word[i]);
            }
            shown->keeps_port = 1;
            return;
        }
        source = HP_EXTERNAL;
    }
    if (source == HP_AUTO || source == HP_MAP) {
        source = path == HP_PATH_EXTERNAL || path == HP_PATH_ROUTED ? HP_KEEP : HP_EXTERNAL;
    }
    if (source == HP_KEEP) {
        hp_show_client(shown, asked, backend);
    } else if (source == HP_GATEWAY) {
        hp_show_gateway(shown, backend);
    } else {
        hp_show_external(shown, asked, backend);
    }
}
