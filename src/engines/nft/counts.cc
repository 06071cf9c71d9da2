#include "engines/nft/counts.h"

#include <fmt/format.h>
#include <netinet/in.h>  // first, or the kernel's headers define the same things

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <span>

#include "base/freed.h"
#include "engines/nft/frame.h"
#include "engines/nft/table.h"

namespace hairpin::nft {
namespace {

constexpr int most_dumps = 5;             // of a set, while others change the packet filter
constexpr size_t message_size = 1 << 16;  // the kernel fills 32 KB at most

using Socket = std::unique_ptr<nl_sock, Freed<nl_socket_free>>;
using Message = std::unique_ptr<nl_msg, Freed<nlmsg_free>>;

template <size_t size>
using Attributes = std::array<nlattr*, size + 1>;

// The attributes within one. Nothing: it is not what we know.
template <size_t size>
std::optional<Attributes<size>> within(nlattr* outer) {
    Attributes<size> attributes{};
    if (!outer || nla_parse_nested(attributes.data(), size, outer, nullptr) != 0) return std::nullopt;
    return attributes;
}

uint64_t number(const nlattr* attribute) { return attribute ? be64toh(nla_get_u64(attribute)) : 0; }

constexpr size_t field = 4;

// Takes fields off a key: they lie one after the other, each in network order and filled up to four bytes.
class KeyReader {
public:
    KeyReader(std::span<const uint8_t> key, Family family) : left_(key), family_(family) {}

    std::span<const uint8_t> next(size_t size = field) {
        const auto bytes = left_.first(std::min(size, left_.size()));
        left_ = left_.subspan(bytes.size());
        return bytes;
    }
    Ip ip() {
        return family_ == Family::v4 ? Ip::from_network(next(4).first<4>()) : Ip::from_network(next(16).first<16>());
    }
    uint16_t port() {
        const auto bytes = next();
        return static_cast<uint16_t>(bytes[0] << 8 | bytes[1]);
    }
    // The kernel's own number; one of a byte comes first.
    uint32_t mark() {
        uint32_t number = 0;
        const auto bytes = next();
        std::memcpy(&number, bytes.data(), bytes.size());
        return number;
    }

private:
    std::span<const uint8_t> left_;
    Family family_;
};

std::optional<Count> count_with_key(std::span<const uint8_t> key) {
    constexpr size_t v4 = 4, v6 = 7, v4_and_backend = 5, v6_and_backend = 11;  // fields, of IPv6 four for an address
    const size_t fields = (key.size() + field - 1) / field;
    const bool and_backend = fields == v4_and_backend || fields == v6_and_backend;
    if (!and_backend && fields != v4 && fields != v6) return std::nullopt;
    KeyReader reader(key, fields == v4 || fields == v4_and_backend ? Family::v4 : Family::v6);
    Count count;
    count.endpoint.ip = reader.ip();
    if (!and_backend) count.protocol = reader.next()[0] == IPPROTO_TCP ? Protocol::tcp : Protocol::udp;
    count.endpoint.port = reader.port();
    count.mark = reader.mark();
    if (and_backend) {
        count.protocol = protocol_marked(count.mark);
        count.backend.ip = reader.ip();
        count.backend.port = reader.port();
    }
    return count;
}

std::optional<Count> count_of(nlattr* set_element) {
    const auto element = within<NFTA_SET_ELEM_MAX>(set_element);
    if (!element) return std::nullopt;
    const auto key = within<NFTA_DATA_MAX>((*element)[NFTA_SET_ELEM_KEY]);
    const auto expression = within<NFTA_EXPR_MAX>((*element)[NFTA_SET_ELEM_EXPR]);
    if (!key || !(*key)[NFTA_DATA_VALUE]) return std::nullopt;
    const nlattr* value = (*key)[NFTA_DATA_VALUE];
    auto count = count_with_key({static_cast<const uint8_t*>(nla_data(value)), static_cast<size_t>(nla_len(value))});
    if (!count || !expression) return count;
    const auto counter = within<NFTA_COUNTER_MAX>((*expression)[NFTA_EXPR_DATA]);
    if (!counter) return std::nullopt;
    count->packets = number((*counter)[NFTA_COUNTER_PACKETS]);
    count->bytes = number((*counter)[NFTA_COUNTER_BYTES]);
    return count;
}

int add_counts(nl_msg* message, void* data) {
    auto& counts = *static_cast<std::vector<Count>*>(data);
    Attributes<NFTA_SET_ELEM_LIST_MAX> attributes{};
    nlmsghdr* header = nlmsg_hdr(message);
    if (nlmsg_parse(header, sizeof(nfgenmsg), attributes.data(), NFTA_SET_ELEM_LIST_MAX, nullptr) != 0) return NL_SKIP;
    nlattr* element = nullptr;
    int left = 0;
    if (!attributes[NFTA_SET_ELEM_LIST_ELEMENTS]) return NL_OK;
    nla_for_each_nested(element, attributes[NFTA_SET_ELEM_LIST_ELEMENTS], left) {
        if (const auto count = count_of(element)) counts.push_back(*count);
    }
    return NL_OK;
}

// Zero or a negative code of libnl.
int dump(nl_sock* socket, const std::string& set, std::vector<Count>& counts) {
    const size_t space = table.find(' ');  // "inet hairpin"
    const Message request(nlmsg_alloc_simple(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETSETELEM, NLM_F_DUMP));
    nfgenmsg header{.nfgen_family = NFPROTO_INET, .version = NFNETLINK_V0, .res_id = 0};
    if (!request || nlmsg_append(request.get(), &header, sizeof header, NLMSG_ALIGNTO) != 0 ||
        nla_put_string(request.get(), NFTA_SET_ELEM_LIST_TABLE, table.substr(space + 1).data()) != 0 ||
        nla_put_string(request.get(), NFTA_SET_ELEM_LIST_SET, set.c_str()) != 0) {
        return -NLE_NOMEM;
    }
    nl_socket_modify_cb(socket, NL_CB_VALID, NL_CB_CUSTOM, add_counts, &counts);
    if (const int sent = nl_send_auto(socket, request.get()); sent < 0) return sent;
    return nl_recvmsgs_default(socket);
}

}  // namespace

Result<std::vector<Count>> read_counts(const std::string& set) {
    std::vector<Count> counts;
    int code = -NLE_NOMEM;
    for (int i = 0; i < most_dumps; ++i) {
        const Socket socket(nl_socket_alloc());  // a new one, for the rest of a broken dump would be read next
        if (!socket) break;
        code = nl_connect(socket.get(), NETLINK_NETFILTER);
        if (code != 0) break;
        nl_socket_set_msg_buf_size(socket.get(), message_size);
        counts.clear();
        code = dump(socket.get(), set, counts);
        if (code != -NLE_DUMP_INTR) break;
    }
    if (code < 0) return Error{fmt::format("reading the counts of the kernel's packet filter: {}", nl_geterror(code))};
    return counts;
}

}  // namespace hairpin::nft
