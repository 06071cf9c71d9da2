/* What the two halves of the engine tell each other: the kernel's, in C, and ours. Addresses and ports in network byte
 * order, everything else in the machine's. Every key is free of padding, for maps compare bytes.
 *
 * A change of a layout needs another HP_VERSION: maps outlive the program that made them. */
#pragma once

#include <linux/types.h>

enum {
    HP_VERSION = 10, /* of everything below */

    HP_MOST_ENDPOINTS = 1 << 18,
    HP_MOST_BACKENDS = 1 << 18,
    HP_MOST_CHOICES = 1 << 19, /* a restart has those of before beside its own */
    HP_MOST_OWN = 1 << 18,
    HP_MOST_SERVICES = 1 << 18,
    HP_MOST_NETWORKS = 1 << 20,
    HP_MOST_BUCKETS = 1 << 16, /* the clients that came last */
    HP_MOST_BEYOND = 1 << 21,  /* halves of flows, two each, for which hp_slots has no room */
    HP_FEWEST_SLOTS = 1 << 14,
    HP_MOST_SLOTS = 1 << 22,
    HP_AROUND = 16,              /* slots after its own in which a half may lie */
    HP_MOST_DATAGRAMS = 1 << 14, /* in fragments, that came last */
    HP_MOST_EARLY = 64,          /* fragments of one datagram that wait for its first, */
    HP_MOST_COPIES = 1 << 9,     /* and of all */
    HP_COPY_BYTES = 1 << 11,
    HP_KNOWN_BITS = 1 << 20,
    HP_MOST_LINKS = 1 << 16, /* the indices of links lie below */

    HP_TICK_BITS = 24, /* a tick of the flows' clock is 2^24 ns of jiffies, 17 ms */

    HP_PATHS = 5,     /* in the order of model/path.h */
    HP_REFUSALS = 10, /* in the order of model/stats.h */
    HP_NAME = 128,
};

/* An IPv4 address is held as its v4-mapped form (RFC 4291 2.5.5.2). */
struct hp_address {
    __be32 word[4];
};

/* What a packet says of itself. */
struct hp_tuple {
    struct hp_address source;
    struct hp_address destination;
    __be16 source_port;
    __be16 destination_port;
    __u8 protocol;
    __u8 zero[3];
} __attribute__((aligned(8))); /* for it is compared eight bytes at a time */

/* The same where the protocol is known. */
struct hp_ends {
    struct hp_address source;
    struct hp_address destination;
    __be16 source_port;
    __be16 destination_port;
};

/* An external endpoint, and who answers there. */
struct hp_asked {
    struct hp_address address;
    __be16 port;
    __u8 protocol;
    __u8 zero;
};

/* Among which backends a client's flow is balanced. */
struct hp_share {
    __u32 first_backend; /* of those that answer, one after the other; that one, if there is one choice only */
    __u32 first_choices; /* a key of hp_choices_of, where there are several */
    __u32 choices;       /* in turn or by the client; 0: all backends are down, or none but the client itself is up */
};

struct hp_endpoint {
    __u32 service; /* whose: a key of hp_counts */
    __u32 rules;   /* how its flows are treated: a key of hp_rules_of */
    struct hp_share share;
    __u32 own;    /* clients with a share of their own, in hp_own: those that are backends; 0: there are none */
    __u16 offset; /* of the port that was asked in its range, host order */
    __u16 zero;
};

struct hp_client {
    __u32 own;
    struct hp_address address;
};

struct hp_backend {
    struct hp_address address;
    struct hp_address facing; /* the gateway's address towards it */
    __u32 peers;              /* the network in which its peers lie */
    __u16 first_port;         /* host order: an offset is added to it */
    __u16 zero;
};

/* Some choices in a row: backends, counted from the endpoint's first. Endpoints with the same choices share them. */
enum { HP_CHOICES = 256 };

struct hp_choices {
    __u16 backend[HP_CHOICES];
};

/* As in model/service.h. */
enum hp_source { HP_AUTO, HP_EXTERNAL, HP_GATEWAY, HP_MAP, HP_KEEP };
enum hp_balance { HP_ROUND_ROBIN, HP_SOURCE_HASH, HP_MAGLEV };
enum hp_path { HP_PATH_EXTERNAL, HP_PATH_ROUTED, HP_PATH_PEER, HP_PATH_SELF, HP_PATH_LOCAL };
enum hp_refusal {
    HP_REFUSED_BACKEND = 0,
    HP_REFUSED_PORTS = 2,
    HP_REFUSED_MEMORY = 3,
    HP_REFUSED_DENIED = 8,
    HP_REFUSED_LIMITS = 9,
};
enum hp_rate { HP_RATE_OF_CLIENT, HP_RATE_OF_SERVICE, HP_RATES }; /* of model/limits.h, in the order of their asking */

struct hp_rules {
    struct hp_address map_prefix[2]; /* by family, IPv4 first; host bits are zero */
    struct hp_address map_host[2];   /* ones where the host bits are */
    __u32 allowed[2];                /* by family, the network of clients that are let in, or HP_EVERYBODY */
    __u32 denied[2];                 /* likewise that of clients that are not, or HP_NOBODY */
    __u32 per_second[HP_RATES];      /* flows that may begin; 0: as many as come */
    __u8 has_map[2];                 /* whether there is a prefix of the family */
    __u8 source;
    __u8 balance;
};

/* Of tokens, one for each flow that may begin; it holds those of a second. */
struct hp_bucket {
    __u64 full_at; /* ns of CLOCK_MONOTONIC_COARSE; once that is past, it is full */
};

/* What a service's ended flows leave behind, and what began. */
struct hp_counts {
    __u64 turn; /* of round robin */
    __u64 accepted[HP_PATHS];
    __u64 refused[HP_REFUSALS];
    __u64 over[HP_RATES];    /* of those refused, whom which rate kept out */
    struct hp_bucket bucket; /* of all clients */
    __u64 bytes[2];          /* of flows that are gone, by direction */
    char name[HP_NAME];
};

/* A client of a service, as its rate counts it. */
struct hp_counted {
    __u32 service;
    struct hp_address client;
};

/* A backend of a service, and what came to it. */
struct hp_place {
    __u32 service;
    __u16 first_port; /* of the backend, host order */
    __u16 zero;
    struct hp_address address;
};

struct hp_came {
    __u64 accepted[HP_PATHS];
};

/* Which addresses lie where: numbers of sets of them. */
enum {
    HP_EVERYBODY = 0, /* no set: who stands in none is kept out by nothing, */
    HP_NOBODY = 0,    /* or let in by nothing */
    HP_INSIDE,
    HP_OWN,
    HP_FIRST_LISTED, /* the peers of backends behind the first route, or the first list of clients, and so on */
};

struct hp_network {
    __u32 length; /* of the prefix in bits, those of `network` included */
    __u32 network;
    struct hp_address address;
};

/* One direction of a flow, found by the packets that it is made of. */
enum hp_direction { HP_TO_BACKEND, HP_TO_CLIENT };

enum hp_mark {
    HP_FIN_OF_CLIENT = 1 << 0,
    HP_FIN_OF_BACKEND = 1 << 1,
    HP_RESET = 1 << 2,        /* cleared by what comes after it: a reset may be forged */
    HP_FROM_INSIDE = 1 << 3,  /* such packets have no business on a link that faces outside */
    HP_VIA_LOOPBACK = 1 << 4, /* they end on the gateway itself, and bear one of its addresses: put on `lo` */
    HP_STAYS = 1 << 5,        /* they end on the gateway itself: the kernel takes them from the link they came by */
    HP_ESTABLISHED = 1 << 7,  /* the client has said more than its SYN: its address is no invention */
    HP_FROM_GATEWAY = 1 << 6, /* a backend on the gateway itself sends them; translated as they leave */
};

struct hp_hop {
    __u32 until; /* the tick when it must be looked up again */
    __u16 link;  /* its index: hp_links has the address that it sends from */
    __u16 mtu;
    __u8 to[6];
    __u8 zero[2];
};

/* Ticks wrap, so they are compared by their distance. */
struct hp_half {
    __u64 bytes; /* of whole IP packets */
    __u32 service;
    __u32 began; /* ticks */
    __u32 seen;
    __u16 addresses_changed; /* what to add to a checksum: one's complement */
    __u16 ports_changed;
    struct hp_ends translated; /* how these packets leave */
    __u8 protocol;
    __u8 direction;
    __u8 path : 7;
    __u8 adopted : 1; /* this gateway has not seen it begin */
    __u8 marks;
    struct hp_hop hop;
};

/* A place in the table of halves, of two cache lines that a processor fetches together. A half lies in its own slot, to
 * which its key is hashed, or in one of the HP_AROUND after that, or in hp_beyond. */
struct hp_slot {
    struct hp_half half; /* first, so that a pointer to it is one to the slot: the verifier counts on that */
    struct hp_tuple key;
    __u32 state;  /* HP_LIVE, HP_BUSY, HP_ENTERING, or the tick since which it is free, shifted to the left by
                     HP_STATE_BITS */
    __u32 around; /* where to look for the other halves whose own slot this is: a bit for each of the slots that follow,
                     and above those how many there are in hp_beyond */
};

/* A flow that is about to be made; it does not fit on the stack. */
struct hp_draft {
    struct hp_drafted {
        struct hp_tuple key;
        struct hp_half half;
    } half[2]; /* by direction */
    struct hp_place backend;
    __u32 keeps_port; /* the client's own */
    struct hp_search {
        __u32 first_port; /* of the free ones */
        __u32 ports;
        __u32 start;
        __u32 now;
        __s32 silence; /* ticks, of the one of the flows met that have ended that has been silent the longest, */
        __be16 ended;  /* and its port; 0: none was met */
        int failed;
        struct hp_tuple reversed; /* the other key of that flow: it does not fit on the stack either */
    } search;                     /* for a source port */
};

enum {
    HP_LIVE = 1,
    HP_BUSY = 2,                     /* it is being filled or vacated */
    HP_ENTERING = HP_LIVE | HP_BUSY, /* it is filled, and may be taken back */
    HP_STATE_BITS = 2,
    HP_ONE_BEYOND = 1 << HP_AROUND,
    HP_MANY_BEYOND = HP_ONE_BEYOND * 0xfff0U,
};

/* Of the table of halves, for as long as it lives. */
struct hp_hashing {
    __u64 seed;
    __u32 slots; /* a power of two */
    __u32 zero;
};

/* What the daemon asks of the table, which only the kernel's half writes to. */
struct hp_request {
    struct hp_tuple key;
    struct hp_half half; /* what was found; to take away: when it began, and until when it may have been seen */
    __u32 orphan;        /* to take away: only where the flow has no other half */
    __u32 zero;
};

/* By what fragments are known to be of one datagram. */
struct hp_fragment {
    struct hp_address source;
    struct hp_address destination;
    __u32 id;
    __u8 protocol;
    __u8 zero[3];
};

/* What they share. */
struct hp_datagram {
    __u64 state; /* above: the tick from which another datagram may have the identification that it came by; below: how
                    many have come before the first, or HP_FIRST_CAME and more: it has come */
    __be16 source_port; /* what only the first tells */
    __be16 destination_port;
    __u32 id; /* under which the datagram leaves */
};

enum { HP_FIRST_CAME = 1 << 24 };

/* One that has come before the first. */
struct hp_copy {
    struct hp_fragment of;
    __u32 state;
    __u32 until; /* as its datagram's was: what tells it from one of an earlier datagram */
    __u32 link;  /* by which it has come */
    __u32 length;
    __u8 packet[HP_COPY_BYTES]; /* from its IP header on */
};

enum { HP_COPY_NONE, HP_COPY_BUSY, HP_COPY_KEPT };

/* A setting of the kernel that the daemon has changed, and what it was. */
struct hp_sysctl {
    char text[64];
};

/* What the kernel's half must know, beside its maps. */
struct hp_settings {
    __u32 first_port; /* of those that translated sources get, host order */
    __u32 ports;
};

/* By its index. */
struct hp_link {
    __u8 mac[6];
    __u8 outside; /* it faces only outside */
    __u8 zero;
    __u32 takes_frames_until; /* the tick from which nobody vouches any more that its driver sends what another's has
                                 received; 0: nobody does */
};

#ifdef __cplusplus
#define HP_ASSERT_SIZE(type, size) static_assert(sizeof(struct type) == (size))
#else
#define HP_ASSERT_SIZE(type, size) _Static_assert(sizeof(struct type) == (size), #type)
#endif
HP_ASSERT_SIZE(hp_tuple, 40);
HP_ASSERT_SIZE(hp_asked, 20);
HP_ASSERT_SIZE(hp_endpoint, 28);
HP_ASSERT_SIZE(hp_client, 20);
HP_ASSERT_SIZE(hp_backend, 40);
HP_ASSERT_SIZE(hp_rules, 92);
HP_ASSERT_SIZE(hp_counted, 20);
HP_ASSERT_SIZE(hp_place, 24);
HP_ASSERT_SIZE(hp_network, 24);
HP_ASSERT_SIZE(hp_ends, 36);
HP_ASSERT_SIZE(hp_hop, 16);
HP_ASSERT_SIZE(hp_half, 80);
HP_ASSERT_SIZE(hp_slot, 128);
HP_ASSERT_SIZE(hp_hashing, 16);
HP_ASSERT_SIZE(hp_fragment, 40);
HP_ASSERT_SIZE(hp_link, 12);
