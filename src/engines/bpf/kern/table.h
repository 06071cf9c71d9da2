/* The table of the halves of flows: found with one wait for memory, made only where there is none, never evicted.
 *
 * Theory of operation. A key is hashed to a slot of its own. Where that is taken, the half goes into one of the next
 * slots, and a bit in its own slot says which (hopscotch hashing, Herlihy, Shavit and Tzafrir 2008, without its moves);
 * where these are taken too, into hp_beyond, a map of the kernel's, and its own slot counts it. So most halves are
 * where they are looked for first, and what is nowhere is missed there, too.
 *
 * Nobody locks. A slot is claimed by whoever makes it HP_BUSY. A half that was put in is HP_ENTERING: it is found, and
 * may be beaten yet by one of the same key that another processor puts elsewhere at the same time (insert.h). Of those
 * that race one stays, and the others find it. A slot that was vacated rests, so that whoever still reads it reads what
 * it was. */
#pragma once

#include "engines/bpf/kern/maps.h"
#include "engines/bpf/known.h"

#define HP_NOWHERE (~0U)
#define HP_BEYOND (~0U - 1)

typedef __u64 __attribute__((may_alias)) hp_octets;

static __always_inline int hp_same_tuple(const struct hp_tuple* a, const struct hp_tuple* b) {
    const hp_octets* x = (const hp_octets*)a;
    const hp_octets* y = (const hp_octets*)b;
    return !((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]) | (x[4] ^ y[4]));
}

static __always_inline int hp_is_known(const struct hp_address* address, __be16 port, __u8 protocol) {
    const __u32 bit = hp_known_bit(address, port, protocol);
    const __u32 word = bit / 64;
    const __u64* bits = bpf_map_lookup_elem(&hp_known, &word);
    return bits && *bits >> (bit % 64) & 1;
}

/* Whether a packet may be of a flow, or begin one. */
static __always_inline int hp_concerns_us(const struct hp_tuple* tuple) {
    return hp_is_known(&tuple->destination, tuple->destination_port, tuple->protocol) ||
           hp_is_known(&tuple->source, tuple->source_port, tuple->protocol);
}

static __always_inline __u64 hp_stirred(__u64 hash, __u64 word) {
    hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
    return hash ^ hash >> 32;
}

static __always_inline const struct hp_hashing* hp_how_to_hash(void) {
    const __u32 zero = 0;
    return bpf_map_lookup_elem(&hp_hashing, &zero);
}

/* A key's own slot. */
static __always_inline __u32 hp_home(const struct hp_tuple* key, const struct hp_hashing* how) {
    const hp_octets* words = (const hp_octets*)key;
    __u64 hash = hp_stirred(how->seed, words[4]);
    if (words[0] | words[2]) { /* not IPv4: its first eight bytes are zeros */
        hash = hp_stirred(hash, words[0]);
        hash = hp_stirred(hash, words[2]);
    }
    hash = hp_stirred(hash, words[1]);
    hash = hp_stirred(hash, words[3]);
    return (__u32)hash & (how->slots - 1);
}

static __always_inline struct hp_slot* hp_slot_at(__u32 index) { return bpf_map_lookup_elem(&hp_slots, &index); }

/* HP_LIVE, HP_ENTERING, or 0. */
static __always_inline __u32 hp_holds(const struct hp_slot* slot, const struct hp_tuple* key) {
    const __u32 state = slot->state;
    return state & HP_LIVE && hp_same_tuple(&slot->key, key) ? state : 0;
}

/* The place of a half other than `except`, of one that enters if none is live: a slot, HP_BEYOND, HP_NOWHERE. */
HP_APART __u32 hp_search(const struct hp_tuple* key, __u32 except) {
    const struct hp_hashing* how = hp_how_to_hash();
    if (!key || !how) return HP_NOWHERE;
    const __u32 home = hp_home(key, how);
    const struct hp_slot* own = hp_slot_at(home);
    if (!own) return HP_NOWHERE;
    __u32 entering = HP_NOWHERE;
    if (home != except) {
        const __u32 held = hp_holds(own, key);
        if (held == HP_LIVE) return home;
        if (held) entering = home;
    }
    const __u32 around = own->around;
    for (__u32 i = 0; i < HP_AROUND; ++i) {
        const __u32 index = (home + 1 + i) & (how->slots - 1);
        if (!(around >> i & 1) || index == except) continue;
        const struct hp_slot* slot = hp_slot_at(index);
        const __u32 held = slot ? hp_holds(slot, key) : 0;
        if (held == HP_LIVE) return index;
        if (held) entering = index;
    }
    if (around < HP_ONE_BEYOND || except == HP_BEYOND) return entering;
    const struct hp_tuple copy = *key;
    return bpf_map_lookup_elem(&hp_beyond, &copy) ? HP_BEYOND : entering;
}

/* Wherever it lies, by a call; with less of the stack than hp_find(). Null where there is none. */
static __always_inline struct hp_half* hp_find_anywhere(const struct hp_tuple* key) {
    const __u32 index = hp_search(key, HP_NOWHERE);
    if (index == HP_NOWHERE) return 0;
    if (index == HP_BEYOND) return bpf_map_lookup_elem(&hp_beyond, key);
    struct hp_slot* slot = hp_slot_at(index);
    return slot ? &slot->half : 0;
}

/* In its own slot first, where it mostly is. Null where there is none. */
static __always_inline struct hp_half* hp_find(const struct hp_tuple* key) {
    const struct hp_hashing* how = hp_how_to_hash();
    if (!how) return 0;
    struct hp_slot* slot = hp_slot_at(hp_home(key, how));
    if (!slot) return 0;
    const __u32 held = hp_holds(slot, key);
    if (held == HP_LIVE) return &slot->half;
    return held || slot->around ? hp_find_anywhere(key) : 0;
}
