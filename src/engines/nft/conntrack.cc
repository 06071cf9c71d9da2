#include "engines/nft/conntrack.h"

#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack_tcp.h>
#include <netinet/in.h>

#include <algorithm>
#include <exception>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "base/freed.h"
#include "engines/nft/frame.h"
#include "net/sysctl.h"

namespace hairpin::nft {
namespace {

using std::chrono::seconds;

using Filter = std::unique_ptr<nfct_filter_dump, Freed<nfct_filter_dump_destroy>>;
using Entry = std::unique_ptr<nf_conntrack, Freed<nfct_destroy>>;

// Attributes that hold one endpoint of a tuple, in either family.
struct Attributes {
    nf_conntrack_attr v4, v6, port;
};
constexpr Attributes original_source{ATTR_ORIG_IPV4_SRC, ATTR_ORIG_IPV6_SRC, ATTR_ORIG_PORT_SRC};
constexpr Attributes original_destination{ATTR_ORIG_IPV4_DST, ATTR_ORIG_IPV6_DST, ATTR_ORIG_PORT_DST};
constexpr Attributes reply_source{ATTR_REPL_IPV4_SRC, ATTR_REPL_IPV6_SRC, ATTR_REPL_PORT_SRC};
constexpr Attributes reply_destination{ATTR_REPL_IPV4_DST, ATTR_REPL_IPV6_DST, ATTR_REPL_PORT_DST};

Endpoint endpoint_of(const nf_conntrack* entry, const Attributes& attributes) {
    const uint16_t port = ntohs(nfct_get_attr_u16(entry, attributes.port));
    if (nfct_get_attr_u8(entry, ATTR_ORIG_L3PROTO) == AF_INET) {
        return {Ip::v4(ntohl(nfct_get_attr_u32(entry, attributes.v4))), port};
    }
    const auto* bytes = static_cast<const uint8_t*>(nfct_get_attr(entry, attributes.v6));
    return {Ip::from_network(std::span<const uint8_t, 16>(bytes, 16)), port};
}

bool is_closed(const nf_conntrack* entry) {
    if (nfct_attr_is_set(entry, ATTR_TCP_STATE) <= 0) return false;
    const uint8_t state = nfct_get_attr_u8(entry, ATTR_TCP_STATE);
    return state == TCP_CONNTRACK_TIME_WAIT || state == TCP_CONNTRACK_CLOSE;
}

// A reset whose sequence number is not quite the expected one may yet be contradicted by a challenge ACK: the kernel
// then leaves the connection established and only takes its time away (nf_conntrack_proto_tcp.c). Any other packet
// gives it back. One that lives has more time left, even where it has waited for an acknowledgement as long as TCP does
// at most, two minutes.
bool was_reset(const nf_conntrack* entry) {
    if (nfct_attr_is_set(entry, ATTR_TCP_STATE) <= 0) return false;
    if (nfct_get_attr_u8(entry, ATTR_TCP_STATE) != TCP_CONNTRACK_ESTABLISHED) return false;
    return seconds(nfct_get_attr_u32(entry, ATTR_TIMEOUT)) <= time_transitory;
}

std::optional<uint64_t> count(const nf_conntrack* entry, nf_conntrack_attr attribute) {
    if (nfct_attr_is_set(entry, attribute) <= 0) return std::nullopt;
    return nfct_get_attr_u64(entry, attribute);
}

std::optional<std::chrono::milliseconds> age(const nf_conntrack* entry) {
    const auto began = count(entry, ATTR_TIMESTAMP_START);  // nanoseconds since 1970
    if (!began) return std::nullopt;
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(now - std::chrono::nanoseconds(*began));
}

std::optional<TrackedFlow> flow_of(const nf_conntrack* entry) {
    const uint8_t number = nfct_get_attr_u8(entry, ATTR_ORIG_L4PROTO);
    if (number != IPPROTO_TCP && number != IPPROTO_UDP) return std::nullopt;
    const Protocol protocol = number == IPPROTO_TCP ? Protocol::tcp : Protocol::udp;
    TrackedFlow flow;
    flow.client = {protocol, endpoint_of(entry, original_source), endpoint_of(entry, original_destination)};
    flow.backend = {protocol, endpoint_of(entry, reply_destination), endpoint_of(entry, reply_source)};
    flow.translated = (nfct_get_attr_u32(entry, ATTR_STATUS) & IPS_DST_NAT) != 0;
    flow.closed = is_closed(entry);
    flow.alive = !flow.closed && !was_reset(entry);
    flow.answered = (nfct_get_attr_u32(entry, ATTR_STATUS) & IPS_SEEN_REPLY) != 0;
    flow.bytes_to_backend = count(entry, ATTR_ORIG_COUNTER_BYTES);
    flow.bytes_to_client = count(entry, ATTR_REPL_COUNTER_BYTES);
    flow.age = age(entry);
    return flow;
}

struct Review {
    const std::function<Fate(const TrackedFlow&)>& judge;
    std::vector<Entry> forgotten;
    std::exception_ptr failure;  // the library, which calls this, is written in C

    static int on_entry(nf_conntrack_msg_type, nf_conntrack* entry, void* data) {
        auto& review = *static_cast<Review*>(data);
        try {
            const auto flow = flow_of(entry);
            if (flow && review.judge(*flow) == Fate::forget) review.forgotten.emplace_back(nfct_clone(entry));
        } catch (...) {
            review.failure = std::current_exception();
            return NFCT_CB_FAILURE;
        }
        return NFCT_CB_CONTINUE;
    }
};

}  // namespace

void Conntrack::Close::operator()(nfct_handle* handle) const { nfct_close(handle); }

// The list is one for all network namespaces: going through it takes 10 ms even where none of the flows is ours.
Result<> Conntrack::review(Flows which, const std::function<Fate(const TrackedFlow&)>& judge) {
    if (const auto count = read_sysctl("net.netfilter.nf_conntrack_count"); count && *count == "0") return {};
    if (!handle_) handle_.reset(nfct_open(NFNL_SUBSYS_CTNETLINK, 0));
    const Filter filter(nfct_filter_dump_create());
    if (!handle_ || !filter) return system_error("connection tracking");
    const nfct_filter_dump_mark translated{.val = IPS_DST_NAT, .mask = IPS_DST_NAT};
    if (which == Flows::translated) nfct_filter_dump_set_attr(filter.get(), NFCT_FILTER_DUMP_STATUS, &translated);
    Review review{judge, {}, {}};
    nfct_callback_register(handle_.get(), NFCT_T_ALL, Review::on_entry, &review);
    const int listed = nfct_query(handle_.get(), NFCT_Q_DUMP_FILTER, filter.get());
    nfct_callback_unregister(handle_.get());
    if (listed < 0) {
        Error error = system_error("listing tracked connections");
        handle_.reset();  // more of the list may be under way
        if (review.failure) std::rethrow_exception(review.failure);
        return error;
    }
    for (const Entry& entry : review.forgotten) {
        const int status = nfct_query(handle_.get(), NFCT_Q_DESTROY, entry.get());
        if (status < 0 && errno != ENOENT) return system_error("forgetting a tracked connection");  // ENOENT: it ended
    }
    return {};
}

// A line of names, then one for each processor, in hexadecimal.
Result<uint64_t> dropped_flows() {
    std::ifstream file("/proc/thread-self/net/stat/nf_conntrack");
    std::string line;
    if (!std::getline(file, line)) return system_error("reading the counters of connection tracking");
    std::istringstream names(line);
    const std::vector<std::string> columns(std::istream_iterator<std::string>(names), {});
    const auto column = std::ranges::find(columns, "insert_failed") - columns.begin();
    uint64_t dropped = 0;
    while (std::getline(file, line)) {
        std::istringstream values(line);
        uint64_t value = 0;
        for (ptrdiff_t i = 0; i <= column && values >> std::hex >> value; ++i) dropped += i == column ? value : 0;
    }
    return dropped;
}

}  // namespace hairpin::nft
