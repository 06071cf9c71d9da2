#include "engines/nft/table_watch.h"

#include <netinet/in.h>  // first, or the kernel's headers define the same things

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>

#include <array>

#include "engines/nft/table.h"

// Theory of operation.
//
// Each transaction of anybody gives the packet filter another generation. Where that is the one that was looked at, all
// is as it was; otherwise two questions tell. A table that was made anew has another handle; one from which chains,
// sets or objects were taken has less of them; and `nft flush table` takes the rules away from all chains, so one chain
// stands for all. Who takes single rules away from other chains means it.

namespace hairpin::nft {
namespace {

using Message = std::unique_ptr<nl_msg, decltype([](nl_msg* message) { nlmsg_free(message); })>;

template <size_t size>
std::array<nlattr*, size + 1> attributes_of(nl_msg* message) {
    std::array<nlattr*, size + 1> attributes{};
    nlmsg_parse(nlmsg_hdr(message), sizeof(nfgenmsg), attributes.data(), size, nullptr);
    return attributes;
}

}  // namespace

void TableWatch::Close::operator()(nl_sock* socket) const { nl_socket_free(socket); }

// `read` puts the kernel's answer into `answer`, which stays as it is where there is no such thing.
template <class Answer>
std::optional<Answer> TableWatch::ask(int type, Names names, int (*read)(nl_msg*, void*), Answer answer) {
    if (!socket_) {
        socket_.reset(nl_socket_alloc());
        if (!socket_ || nl_connect(socket_.get(), NETLINK_NETFILTER) != 0) return std::nullopt;
        nl_socket_disable_auto_ack(socket_.get());
        nl_socket_disable_seq_check(socket_.get());  // the library takes an acknowledgement for the end of a sequence
    }
    const Message request(nlmsg_alloc_simple(NFNL_SUBSYS_NFTABLES << 8 | type, 0));
    nfgenmsg header{.nfgen_family = NFPROTO_INET, .version = NFNETLINK_V0, .res_id = 0};
    if (!request || nlmsg_append(request.get(), &header, sizeof header, NLMSG_ALIGNTO) != 0) return std::nullopt;
    for (const auto& [attribute, name] : names) {
        if (nla_put_string(request.get(), attribute, name) != 0) return std::nullopt;
    }
    nl_socket_modify_cb(socket_.get(), NL_CB_VALID, NL_CB_CUSTOM, read, &answer);
    int code = nl_send_auto(socket_.get(), request.get());
    if (code >= 0) code = nl_recvmsgs_default(socket_.get());
    if (code >= 0 || code == -NLE_OBJ_NOTFOUND) return answer;
    socket_.reset();  // an answer may be under way yet
    return std::nullopt;
}

std::optional<uint32_t> TableWatch::generation() {
    const auto read = [](nl_msg* message, void* generation) -> int {
        const nlattr* id = attributes_of<NFTA_GEN_MAX>(message)[NFTA_GEN_ID];
        if (id) *static_cast<uint32_t*>(generation) = ntohl(nla_get_u32(id));
        return NL_OK;
    };
    return ask(NFT_MSG_GETGEN, {}, read, uint32_t{0});
}

std::optional<TableWatch::Found> TableWatch::find() {
    const char* name = table.substr(table.find(' ') + 1).data();  // of "inet hairpin"
    const auto read_table = [](nl_msg* message, void* found) -> int {
        const auto attributes = attributes_of<NFTA_TABLE_MAX>(message);
        const nlattr* handle = attributes[NFTA_TABLE_HANDLE];
        const nlattr* use = attributes[NFTA_TABLE_USE];
        if (handle && use) *static_cast<Found*>(found) = {be64toh(nla_get_u64(handle)), ntohl(nla_get_u32(use)), 0};
        return NL_OK;
    };
    const auto read_chain = [](nl_msg* message, void* found) -> int {
        const nlattr* use = attributes_of<NFTA_CHAIN_MAX>(message)[NFTA_CHAIN_USE];
        if (use) static_cast<Found*>(found)->rules = ntohl(nla_get_u32(use));
        return NL_OK;
    };
    const auto found = ask(NFT_MSG_GETTABLE, {{NFTA_TABLE_NAME, name}}, read_table, Found{});
    if (!found) return std::nullopt;
    return ask(NFT_MSG_GETCHAIN, {{NFTA_CHAIN_TABLE, name}, {NFTA_CHAIN_NAME, "prerouting"}}, read_chain, *found);
}

void TableWatch::remember() { known_ = find().value_or(Found{}); }

bool TableWatch::is_whole() {
    const auto now = generation();
    if (!now || *now == checked_) return true;
    const auto found = find();
    if (!found) return true;
    const bool same = found->handle != 0 && (known_.handle == 0 || found->handle == known_.handle);
    if (!same || found->parts < known_.parts || found->rules < known_.rules) return false;
    checked_ = *now;
    return true;
}

}  // namespace hairpin::nft
