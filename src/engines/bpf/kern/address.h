/* Addresses of both families as one kind of value, and the one's complement sums that checksums are made of. */
#pragma once

#include "engines/bpf/wire.h"

/* A function that the verifier judges once, for itself, and not again wherever it is called: so its pointers may be
 * null, and it returns a number. Linux 6.1 takes what they point to for no key of a map: hence copies of those. */
#define HP_APART __attribute__((noinline, weak))

#define HP_MAPPED bpf_htonl(0xffff) /* the third word of an IPv4 address */

static __always_inline struct hp_address hp_v4(__be32 address) {
    struct hp_address mapped = {{0, 0, HP_MAPPED, address}};
    return mapped;
}

static __always_inline struct hp_address hp_v6(const __be32* words) {
    struct hp_address address = {{words[0], words[1], words[2], words[3]}};
    return address;
}

static __always_inline int hp_is_v4(const struct hp_address* address) {
    return !address->word[0] && !address->word[1] && address->word[2] == HP_MAPPED;
}

static __always_inline int hp_same(const struct hp_address* a, const struct hp_address* b) {
    return a->word[0] == b->word[0] && a->word[1] == b->word[1] && a->word[2] == b->word[2] && a->word[3] == b->word[3];
}

static __always_inline int hp_is_mac(const __u8* a, const __u8* b) {
    const __u16* x = (const __u16*)a;
    const __u16* y = (const __u16*)b;
    return x[0] == y[0] && x[1] == y[1] && x[2] == y[2];
}

static __always_inline int hp_is_link_local(const struct hp_address* address) {
    if (hp_is_v4(address)) return (address->word[3] & bpf_htonl(0xffff0000)) == bpf_htonl(0xa9fe0000);
    return (address->word[0] & bpf_htonl(0xffc00000)) == bpf_htonl(0xfe800000);
}

/* Folds a sum of 32-bit words to one of 16 bits that is as good for a checksum (RFC 1071). */
static __always_inline __u32 hp_fold32(__u64 sum) {
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffffffff) + (sum >> 32);
    return (__u32)sum;
}

static __always_inline __u16 hp_fold16(__u64 sum) {
    __u32 folded = hp_fold32(sum);
    folded = (folded & 0xffff) + (folded >> 16);
    folded = (folded & 0xffff) + (folded >> 16);
    return (__u16)folded;
}

/* What the sum changes by where one address is put in place of another (RFC 1624, equation 3). */
static __always_inline __u64 hp_address_change(const struct hp_address* from, const struct hp_address* to) {
    __u64 sum = 0;
    for (int i = 0; i < 4; ++i) sum += (__u64)(__u32)~from->word[i] + to->word[i];
    return sum;
}

static __always_inline __u64 hp_port_change(__be16 from, __be16 to) { return (__u64)(__u16)~from + to; }

/* A checksum field after its data changed by `change`. */
static __always_inline __u16 hp_changed(__u16 check, __u64 change) {
    return (__u16)~hp_fold16((__u64)(__u16)~check + change);
}

/* The same of TCP or UDP, where there is one. */
static __always_inline __u16 hp_changed_in(__u32 protocol, __u16 check, __u64 change) {
    const __u16 changed = hp_changed(check, change);
    return changed || protocol != IPPROTO_UDP ? changed : 0xffff; /* 0: none (RFC 768) */
}
