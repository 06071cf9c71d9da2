/* Makes one frame that of any flow, each time anew, and hands it to the program that is measured: BPF_PROG_TEST_RUN
 * repeats a program on a single frame, which the first run has changed. */
#include <linux/bpf.h>
/* first, the others lack its types */
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* An Ethernet frame with TCP over IPv4, without options. */
#define SOURCE_AT 26
#define SOURCE_PORT_AT 34
#define WORDS 7 /* up to and with the checksum of TCP */

#define PORTS_EACH 16 /* of a client */
#define FIRST_PORT 10000

/* Written before a run. */
__u64 pick_frame[WORDS];
__u32 pick_flows = 1;        /* how many there are */
__u32 pick_flow = 0;         /* whose turn it is */
__u32 pick_step = 0;         /* from one to the next, modulo how many there are */
__u32 pick_first_client = 0; /* an address, host order */

/* One each, for it holds programs of one kind. */
#define PICK_MEASURED(name)                    \
    struct {                                   \
        __uint(type, BPF_MAP_TYPE_PROG_ARRAY); \
        __uint(max_entries, 1);                \
        __type(key, __u32);                    \
        __type(value, __u32);                  \
    } name SEC(".maps")
PICK_MEASURED(pick_tc);
PICK_MEASURED(pick_xdp);

static __always_inline __u32 picked(void) {
    const __u32 flow = pick_flow;
    const __u32 next = flow + pick_step;
    pick_flow = next < pick_flows ? next : next - pick_flows;
    return flow;
}

/* Sums stay as they are: programs change them by differences, and do not look whether they are right. */
static __always_inline void make_frame(void* data, void* end) {
    if (data + WORDS * sizeof(__u64) > end) return;
    const __u32 flow = picked();
    for (int i = 0; i < WORDS; ++i) ((__u64*)data)[i] = pick_frame[i];
    *(__be32*)(data + SOURCE_AT) = bpf_htonl(pick_first_client + flow / PORTS_EACH);
    *(__be16*)(data + SOURCE_PORT_AT) = bpf_htons(FIRST_PORT + flow % PORTS_EACH);
}

SEC("tc")
int pick_for_tc(struct __sk_buff* skb) {
    make_frame((void*)(long)skb->data, (void*)(long)skb->data_end);
    bpf_tail_call(skb, &pick_tc, 0);
    return 0;
}

SEC("xdp")
int pick_for_xdp(struct xdp_md* frame) {
    make_frame((void*)(long)frame->data, (void*)(long)frame->data_end);
    bpf_tail_call(frame, &pick_xdp, 0);
    return 0;
}

/* What all this costs without a program. */
SEC("tc")
int pick_nothing(struct __sk_buff* skb) {
    (void)skb;
    return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
