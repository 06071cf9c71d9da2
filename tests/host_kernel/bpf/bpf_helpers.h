/* In place of libbpf's: what the programs of src/engines/bpf/kern ask of the kernel, asked of host_kernel.cc. So they
 * run as functions of a test, under its sanitizers. Tables are told apart by their addresses; sizes and kinds come from
 * their declarations. */
#pragma once

#include <linux/bpf.h>

#define SEC(name)
#undef __always_inline
#define __always_inline inline
#define __uint(name, value) int(*name)[value]
#define __type(name, value) __typeof__(value)* name

/* As data and data_end of a context, which have 32 bits in the kernel's interface. */
void* host_data(void);
void* host_data_end(void);
#define HP_CONTEXT(frame, field) ((void)(frame), host_##field())

struct host_table {
    const void* of;
    unsigned kind; /* enum bpf_map_type */
    unsigned key_size;
    unsigned value_size;
    unsigned most; /* entries */
};
#define HOST_TABLE(map)                                                                                      \
    ((struct host_table){(map), sizeof *(map)->type / sizeof(int), sizeof *(map)->key, sizeof *(map)->value, \
                         sizeof *(map)->max_entries / sizeof(int)})

void* host_lookup(struct host_table table, const void* key);
long host_update(struct host_table table, const void* key, const void* value, __u64 flags);
long host_delete(struct host_table table, const void* key);
#define bpf_map_lookup_elem(map, key) host_lookup(HOST_TABLE(map), key)
#define bpf_map_update_elem(map, key, value, flags) host_update(HOST_TABLE(map), key, value, flags)
#define bpf_map_delete_elem(map, key) host_delete(HOST_TABLE(map), key)

/* Where another processor may be quicker. */
void host_turn(void);
#define __sync_bool_compare_and_swap(at, old, new) (host_turn(), __sync_bool_compare_and_swap(at, old, new))
#define __sync_lock_test_and_set(at, value) (host_turn(), __sync_lock_test_and_set(at, value))
#define __sync_fetch_and_add(at, value) (host_turn(), __sync_fetch_and_add(at, value))
#define __sync_fetch_and_and(at, value) (host_turn(), __sync_fetch_and_and(at, value))
#define __sync_fetch_and_or(at, value) (host_turn(), __sync_fetch_and_or(at, value))

__u64 bpf_ktime_get_coarse_ns(void);
__u64 bpf_jiffies64(void);
__u32 bpf_get_prandom_u32(void);
#define bpf_loop(times, step, context, flags)              \
    ({                                                     \
        __u32 _i = 0;                                      \
        while (_i < (times) && !(step)(_i, context)) ++_i; \
        (long)_i;                                          \
    })

long bpf_redirect(__u32 link, __u64 flags);
long bpf_redirect_neigh(__u32 link, void* next, int size, __u64 flags);
long bpf_fib_lookup(void* context, struct bpf_fib_lookup* asked, int size, __u32 flags);
struct bpf_sock* bpf_skc_lookup_tcp(void* context, struct bpf_sock_tuple* tuple, __u32 size, __u64 netns, __u64 flags);
long bpf_sk_release(void* socket);
long bpf_l4_csum_replace(void* context, __u32 offset, __u64 from, __u64 to, __u64 flags);
__s64 bpf_csum_update(void* context, __wsum change);
long bpf_skb_pull_data(void* context, __u32 size);
long bpf_skb_load_bytes(const void* context, __u32 offset, void* to, __u32 size);
long bpf_skb_store_bytes(void* context, __u32 offset, const void* from, __u32 size, __u64 flags);
long bpf_clone_redirect(void* context, __u32 link, __u64 flags);
long bpf_skb_change_tail(void* context, __u32 size, __u64 flags);
long bpf_skb_adjust_room(void* context, __s32 room, __u32 mode, __u64 flags);
