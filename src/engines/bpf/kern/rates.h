/* How many flows of a service may begin in a second, of everybody and of each client: model/limits.h.
 *
 * Theory of operation. A bucket of tokens is one number: when it will be full again. Who takes a token puts that off by
 * the time in which one is gained, and may do so while it lies no more than a second ahead (the virtual scheduling of
 * ITU-T I.371). So processors agree by one exchange, and a bucket that nobody asks needs no care. */
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

/* Whether there was one. Where no memory is left for another bucket, there is no bound. */
HP_APART int hp_take_token(const struct hp_counted* counted, __u32 per_second) {
    if (!counted || !per_second) return 1;
    const struct hp_counted key = *counted;
    const __u64 now = bpf_ktime_get_coarse_ns(), each = HP_SECOND / per_second;
    struct hp_bucket* bucket = bpf_map_lookup_elem(&hp_buckets, &key);
    if (!bucket) {
        const struct hp_bucket full = {now};
        bpf_map_update_elem(&hp_buckets, &key, &full, BPF_NOEXIST);
        bucket = bpf_map_lookup_elem(&hp_buckets, &key);
        if (!bucket) return 1;
    }
    for (int i = 0; i < HP_EXCHANGES; ++i) {
        const __u64 full_at = bucket->full_at;
        const __u64 then = (full_at > now ? full_at : now) + each;
        if (then - now > HP_SECOND) return 0;
        if (__sync_bool_compare_and_swap(&bucket->full_at, full_at, then)) return 1;
    }
    return 0;
}

/* Whether one more may begin. A client's own rate comes first: whoever is beyond it takes nothing of what all share. */
HP_APART int hp_is_within_rates(const struct hp_address* client, __u32 service, const struct hp_rules* rules,
                                struct hp_counts* counts) {
    if (!client || !rules || !counts) return 1;
    for (int rate = 0; rate < HP_RATES; ++rate) {
        if (!rules->per_second[rate]) continue;
        struct hp_counted counted = {.service = service};
        if (rate == HP_RATE_OF_CLIENT) hp_count_as(client, &counted.client);
        if (hp_take_token(&counted, rules->per_second[rate])) continue;
        __sync_fetch_and_add(&counts->over[rate], 1);
        return 0;
    }
    return 1;
}
