/* Halves put into their table, and taken out of it. */
#pragma once

#include "engines/bpf/kern/table.h"

#define HP_TAKEN -17 /* EEXIST */
#define HP_FULL -7   /* E2BIG */

#define HP_RESTS 3  /* ticks: longer than any packet takes */
#define HP_RIVALS 8 /* as many halves of one key as are beaten in a row */

static __always_inline int hp_claim(struct hp_slot* slot, __u32 now) {
    const __u32 state = slot->state;
    if (state & (HP_LIVE | HP_BUSY)) return 0;
    /* Another processor's clock may be ahead. */
    if (state && ((now + HP_RESTS) << HP_STATE_BITS) - state <= 2 * HP_RESTS << HP_STATE_BITS) return 0;
    return __sync_bool_compare_and_swap(&slot->state, state, HP_BUSY);
}

static __always_inline void hp_tell_in_use(__u32 index, int in_use) {
    const __u32 word = index / 64;
    const __u64 bit = 1ULL << (index % 64);
    __u64* bits = bpf_map_lookup_elem(&hp_in_use, &word);
    if (!bits) return;
    if (in_use) {
        __sync_fetch_and_or(bits, bit);
    } else {
        __sync_fetch_and_and(bits, ~bit);
    }
}

/* A slot that is HP_BUSY. */
static __always_inline void hp_vacate(struct hp_slot* own, __u32 home, struct hp_slot* slot, __u32 index, __u32 slots,
                                      __u32 now) {
    if (index != home) __sync_fetch_and_and(&own->around, ~(1U << ((index - home - 1) & (slots - 1))));
    hp_tell_in_use(index, 0);
    __sync_lock_test_and_set(&slot->state, now << HP_STATE_BITS);
}

/* Whether the half that enters at `place` may stay, and not one of its key that is live or enters elsewhere. Of those
 * that enter, what is in hp_beyond beats what is in a slot, and what is in an earlier slot beats what is in a later
 * one: it makes that HP_BUSY, which its owner notices. */
static __always_inline int hp_prevails(const struct hp_tuple* key, __u32 place) {
    for (int i = 0; i < HP_RIVALS; ++i) {
        const __u32 other = hp_search(key, place);
        if (other == HP_NOWHERE) return 1;
        if (other == HP_BEYOND || (place != HP_BEYOND && other < place)) return 0;
        struct hp_slot* rival = hp_slot_at(other);
        if (!rival || rival->state == HP_LIVE) return 0;
        __sync_bool_compare_and_swap(&rival->state, HP_ENTERING, HP_BUSY);
    }
    return hp_search(key, place) == HP_NOWHERE;
}

/* The half that is drafted for this direction. HP_TAKEN where there is one of its key, or is about to be; HP_FULL and
 * other errors of the kernel where there is no memory. */
HP_APART int hp_insert(enum hp_direction direction) {
    const __u32 zero = 0;
    struct hp_draft* draft = bpf_map_lookup_elem(&hp_drafts, &zero);
    const struct hp_hashing* how = hp_how_to_hash();
    if (!draft || !how) return HP_FULL;
    const struct hp_tuple* key = &draft->half[direction & 1].key;
    const struct hp_half* half = &draft->half[direction & 1].half;
    if (hp_find(key)) return HP_TAKEN;
    const __u32 now = hp_now();
    const __u32 home = hp_home(key, how);
    struct hp_slot* own = hp_slot_at(home);
    if (!own) return HP_FULL;
    for (__u32 i = 0; i <= HP_AROUND; ++i) {
        const __u32 index = (home + i) & (how->slots - 1);
        struct hp_slot* slot = hp_slot_at(index);
        if (!slot || !hp_claim(slot, now)) continue;
        slot->key = *key;
        slot->half = *half;
        if (i) __sync_fetch_and_or(&own->around, 1U << (i - 1));
        hp_tell_in_use(index, 1);
        __sync_lock_test_and_set(&slot->state, HP_ENTERING); /* orders all that, and the search after it */
        if (hp_prevails(key, index) && __sync_bool_compare_and_swap(&slot->state, HP_ENTERING, HP_LIVE)) return 0;
        __sync_lock_test_and_set(&slot->state, HP_BUSY); /* not found from here on */
        hp_vacate(own, home, slot, index, how->slots, now);
        return HP_TAKEN;
    }
    if (own->around >= HP_MANY_BEYOND) return HP_FULL;
    __sync_fetch_and_add(&own->around, HP_ONE_BEYOND); /* first, so that it is never missed */
    const long failed = bpf_map_update_elem(&hp_beyond, key, half, BPF_NOEXIST);
    if (failed) {
        __sync_fetch_and_sub(&own->around, HP_ONE_BEYOND);
        return (int)failed;
    }
    const __u32 around = __sync_fetch_and_or(&own->around, 0); /* orders that, and the search after it */
    if (around && hp_prevails(key, HP_BEYOND)) return 0;
    if (!bpf_map_delete_elem(&hp_beyond, key)) __sync_fetch_and_sub(&own->around, HP_ONE_BEYOND);
    return HP_TAKEN;
}

/* The half of a key that began then. 1: it was taken away here; 0: it is gone, or another one has its place by now. */
HP_APART int hp_remove(const struct hp_tuple* key, __u32 began, __u32 now) {
    const struct hp_hashing* how = hp_how_to_hash();
    if (!key || !how) return 0;
    const __u32 home = hp_home(key, how);
    struct hp_slot* own = hp_slot_at(home);
    const __u32 index = hp_search(key, HP_NOWHERE);
    if (!own || index == HP_NOWHERE) return 0;
    if (index == HP_BEYOND) {
        const struct hp_tuple copy = *key;
        const struct hp_half* half = bpf_map_lookup_elem(&hp_beyond, &copy);
        if (!half || half->began != began || bpf_map_delete_elem(&hp_beyond, &copy)) return 0;
        __sync_fetch_and_sub(&own->around, HP_ONE_BEYOND);
        return 1;
    }
    struct hp_slot* slot = hp_slot_at(index);
    if (!slot || !__sync_bool_compare_and_swap(&slot->state, HP_LIVE, HP_BUSY)) return 0;
    if (slot->half.began == began && hp_same_tuple(&slot->key, key)) {
        hp_vacate(own, home, slot, index, how->slots, now);
        return 1;
    }
    __sync_lock_test_and_set(&slot->state, HP_LIVE); /* it has changed hands meanwhile */
    return 0;
}
