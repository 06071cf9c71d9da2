/* Which ends flows may have on the gateway's side, of endpoints and of backends, as a Bloom filter of one hash: what
 * comes from none of these, and goes to none, is somebody else's packet, and needs no table to be asked. The address
 * of an end is known without its port, too, for fragments have none: as port 0, and backends' apart from those of
 * endpoints. For both halves. */
#pragma once

#include "engines/bpf/wire.h"

enum { HP_KNOWN_BACKEND = 0x80 }; /* added to the protocol, where there is no port */

/* The number of an end's bit, below HP_KNOWN_BITS. */
static inline __u32 hp_known_bit(const struct hp_address* address, __be16 port, __u8 protocol) {
    const __u64 hash = ((__u64)address->word[0] << 32 | address->word[1]) * 0x9e3779b97f4a7c15ULL +
                       ((__u64)address->word[2] << 32 | address->word[3]) * 0xd1342543de82ef95ULL +
                       ((__u64)port << 8 | protocol) * 0xf1357aea2e62a9c5ULL;
    return (__u32)(hash ^ hash >> 32) / (__u32)((1ULL << 32) / HP_KNOWN_BITS);
}
