#include "support/tracked.h"

#include <gtest/gtest.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <netinet/in.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace hairpin {
namespace {

struct Free {
    void operator()(nfct_handle* handle) const { nfct_close(handle); }
    void operator()(nf_conntrack* entry) const { nfct_destroy(entry); }
};

std::unique_ptr<nf_conntrack, Free> entry_of(const Leg& client) {
    std::unique_ptr<nf_conntrack, Free> entry(nfct_new());
    const bool v4 = client.source.ip.is_v4();
    nfct_set_attr_u8(entry.get(), ATTR_L3PROTO, v4 ? AF_INET : AF_INET6);
    nfct_set_attr_u8(entry.get(), ATTR_L4PROTO, client.protocol == Protocol::tcp ? IPPROTO_TCP : IPPROTO_UDP);
    nfct_set_attr(entry.get(), v4 ? ATTR_IPV4_SRC : ATTR_IPV6_SRC, client.source.ip.network_bytes().data());
    nfct_set_attr(entry.get(), v4 ? ATTR_IPV4_DST : ATTR_IPV6_DST, client.destination.ip.network_bytes().data());
    nfct_set_attr_u16(entry.get(), ATTR_PORT_SRC, htons(client.source.port));
    nfct_set_attr_u16(entry.get(), ATTR_PORT_DST, htons(client.destination.port));
    return entry;
}

int on_entry(nf_conntrack_msg_type, nf_conntrack* entry, void* data) {
    *static_cast<std::optional<std::chrono::seconds>*>(data) =
        std::chrono::seconds(nfct_get_attr_u32(entry, ATTR_TIMEOUT));
    return NFCT_CB_CONTINUE;
}

}  // namespace

std::optional<std::chrono::seconds> tracked_for(const lab::Host& host, const Leg& client) {
    return host.run([&] {
        std::optional<std::chrono::seconds> left;
        const std::unique_ptr<nfct_handle, Free> handle(nfct_open(NFNL_SUBSYS_CTNETLINK, 0));
        if (!handle) {
            ADD_FAILURE() << "connection tracking: " << strerror(errno);
            return left;
        }
        nfct_callback_register(handle.get(), NFCT_T_ALL, on_entry, &left);
        const auto entry = entry_of(client);
        const int status = nfct_query(handle.get(), NFCT_Q_GET, entry.get());
        EXPECT_TRUE(status == 0 || errno == ENOENT) << strerror(errno);
        return left;
    });
}

}  // namespace hairpin
