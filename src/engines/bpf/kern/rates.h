/* How many flows of a service may begin in a second, of everybody and of each client: model/limits.h.
 *
 * Theory of operation. A bucket of tokens is one number: when it will be full again. Who takes a token puts that off by
 * the time in which one is gained, and may do so while it lies no more than a second ahead (the virtual scheduling of
 * ITU-T I.371). So processors agree by one exchange, and a bucket that nobody asks needs no care: one that is forgotten
 * is full. Those of the clients that came last are kept. */
#pragma once

#include "engines/bpf/kern/choose.h"

#define HP_SECOND 1000000000ULL
#define HP_EXCHANGES 32 /* with other processors that take from the same bucket */

/* counted_client() of model/limits.h */
static __always_inline void hp_count_as(const struct hp_address* client, struct hp_address* counted) {
    *counted = *client;
    if (hp_is_v4(client) || hp_lies_in(HP_INSIDE, client) || hp_lies_in(HP_OWN, client)) return;
    counted->word[2] = counted->word[3] = 0;
}

/* Whether there was one. */
static __always_inline int hp_take_token(struct hp_bucket* bucket, __u32 per_second) {
    const __u64 now = bpf_ktime_get_coarse_ns(), each = HP_SECOND / per_second;
    for (int i = 0; i < HP_EXCHANGES; ++i) {
        const __u64 full_at = bucket->full_at;
        const __u64 then = (full_at > now ? full_at : now) + each;
        if (then - now > HP_SECOND) return 0;
        if (__sync_bool_compare_and_swap(&bucket->full_at, full_at, then)) return 1;
    }
    return 0;
}

/* Null where the kernel has no memory for another one. */
static __always_inline struct hp_bucket* hp_bucket_of(__u32 service, const struct hp_address* client) {
    struct hp_counted key = {.service = service};
    hp_count_as(client, &key.client);
    struct hp_bucket* bucket = bpf_map_lookup_elem(&hp_buckets, &key);
    if (bucket) return bucket;
    const struct hp_bucket full = {0};
    bpf_map_update_elem(&hp_buckets, &key, &full, BPF_NOEXIST);
    return bpf_map_lookup_elem(&hp_buckets, &key);
}

/* Whether one more may begin. A client's own rate comes first: whoever is beyond it takes nothing of what all share. */
HP_APART int hp_is_within_rates(const struct hp_address* client, __u32 service, const struct hp_rules* rules) {
    struct hp_counts* counts = bpf_map_lookup_elem(&hp_counts, &service);
    if (!client || !rules || !counts) return 1;
    enum hp_rate over = HP_RATES;
    if (rules->per_second[HP_RATE_OF_CLIENT]) {
        struct hp_bucket* bucket = hp_bucket_of(service, client);
        if (bucket && !hp_take_token(bucket, rules->per_second[HP_RATE_OF_CLIENT])) over = HP_RATE_OF_CLIENT;
    }
    if (over == HP_RATES && rules->per_second[HP_RATE_OF_SERVICE] &&
        !hp_take_token(&counts->bucket, rules->per_second[HP_RATE_OF_SERVICE]))
        over = HP_RATE_OF_SERVICE;
    if (over == HP_RATES) return 1;
    __sync_fetch_and_add(&counts->over[over], 1);
    return 0;
}
