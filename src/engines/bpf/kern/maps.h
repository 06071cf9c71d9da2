/* What the kernel's half keeps, and what it is told. All but hp_drafts is pinned and outlives the daemon.
 */
#pragma once

#include "engines/bpf/wire.h"

/* Filled by the daemon. One lookup sees a whole endpoint, so a change of the configuration is never seen by half. */
#define HP_TABLE(name, key_type, value_type, most) \
    struct {                                       \
        __uint(type, BPF_MAP_TYPE_HASH);           \
        __uint(map_flags, BPF_F_NO_PREALLOC);      \
        __uint(max_entries, most);                 \
        __type(key, key_type);                     \
        __type(value, value_type);                 \
    } name SEC(".maps")

HP_TABLE(hp_endpoints, struct hp_asked, struct hp_endpoint, HP_MOST_ENDPOINTS);
HP_TABLE(hp_backends, __u32, struct hp_backend, HP_MOST_BACKENDS);
HP_TABLE(hp_choices_of, __u32, struct hp_choices, HP_MOST_CHOICES);
HP_TABLE(hp_own, struct hp_client, struct hp_share, HP_MOST_OWN);
HP_TABLE(hp_rules_of, __u32, struct hp_rules, HP_MOST_SERVICES);
HP_TABLE(hp_guarded, struct hp_address, __u32, HP_MOST_BACKENDS); /* backends that only services lead to */

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, HP_MOST_NETWORKS);
    __type(key, struct hp_network);
    __type(value, __u32);
} hp_networks SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct hp_settings);
} hp_settings SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, HP_MOST_LINKS);
    __type(key, __u32);
    __type(value, struct hp_link);
} hp_links SEC(".maps");

/* known.h, 64 bits each. What was known stays so, for flows may live on. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, HP_KNOWN_BITS / 64);
    __type(key, __u32);
    __type(value, __u64);
} hp_known SEC(".maps");

/* Made by the daemon, counted up here. */
HP_TABLE(hp_counts, __u32, struct hp_counts, HP_MOST_SERVICES);
HP_TABLE(hp_came_to, struct hp_place, struct hp_came, HP_MOST_BACKENDS);

/* The flows; table.h. How many slots there are the daemon says when it makes them. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE); /* the daemon reads it; and it begins on a page */
    __uint(max_entries, HP_FEWEST_SLOTS);
    __type(key, __u32);
    __type(value, struct hp_slot);
} hp_slots SEC(".maps");

/* A bit for each slot that is taken, so that the daemon finds these quickly. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, HP_FEWEST_SLOTS / 64);
    __type(key, __u32);
    __type(value, __u64);
} hp_in_use SEC(".maps");

HP_TABLE(hp_beyond, struct hp_tuple, struct hp_half, HP_MOST_BEYOND);

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct hp_hashing);
} hp_hashing SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, HP_MOST_DATAGRAMS);
    __type(key, struct hp_fragment);
    __type(value, struct hp_datagram);
} hp_datagrams SEC(".maps");

/* Of fragments; fragments.h. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, HP_MOST_COPIES);
    __type(key, __u32);
    __type(value, struct hp_copy);
} hp_copies SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u32);
} hp_turn SEC(".maps");

/* Of clients; rates.h. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, HP_MOST_BUCKETS);
    __type(key, struct hp_counted);
    __type(value, struct hp_bucket);
} hp_buckets SEC(".maps");

/* The daemon's own notes, here because what is pinned outlives it. */
HP_TABLE(hp_sysctls, struct hp_sysctl, struct hp_sysctl, 16);

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct hp_draft);
} hp_drafts SEC(".maps");

/* Of the kernel's counter, of which the daemon tells. */
const volatile __u64 hp_ns_a_jiffy __attribute__((weak)) = 4000000;

/* In ticks: the clock of the flows. Reading jiffies takes one load, any clock of the kernel ten times as long. */
static __always_inline __u32 hp_now(void) { return (__u32)(bpf_jiffies64() * hp_ns_a_jiffy >> HP_TICK_BITS); }

static __always_inline int hp_is_outside(__u32 link) {
    const struct hp_link* about = bpf_map_lookup_elem(&hp_links, &link);
    return about && about->outside;
}
