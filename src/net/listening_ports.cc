#include "net/listening_ports.h"

#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>

#include <memory>
#include <new>

#include "base/freed.h"

namespace hairpin {
namespace {

// Called with each socket, by a library that knows no exceptions.
int add_port(nl_msg* message, void* ports) {
    const auto* socket = static_cast<const inet_diag_msg*>(nlmsg_data(nlmsg_hdr(message)));
    try {
        static_cast<std::vector<uint16_t>*>(ports)->push_back(ntohs(socket->id.idiag_sport));
    } catch (const std::bad_alloc&) {
        return -NLE_NOMEM;
    }
    return NL_OK;
}

// Zero or a negative code of libnl. Each state has a list of its own in the kernel: one that is not asked for costs
// nothing, while /proc/net/tcp goes through the connections of all namespaces.
int dump(nl_sock* socket, uint8_t family, uint8_t protocol, int state) {
    inet_diag_req_v2 request{};
    request.sdiag_family = family;
    request.sdiag_protocol = protocol;
    request.idiag_states = 1U << state;
    const int sent = nl_send_simple(socket, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &request, sizeof request);
    return sent < 0 ? sent : nl_recvmsgs_default(socket);
}

}  // namespace

Result<std::vector<uint16_t>> listening_ports() {
    std::vector<uint16_t> ports;
    const std::unique_ptr<nl_sock, Freed<nl_socket_free>> socket(nl_socket_alloc());
    int code = socket ? nl_connect(socket.get(), NETLINK_SOCK_DIAG) : -NLE_NOMEM;
    if (code == 0) nl_socket_modify_cb(socket.get(), NL_CB_VALID, NL_CB_CUSTOM, add_port, &ports);
    for (const uint8_t family : {uint8_t{AF_INET}, uint8_t{AF_INET6}}) {
        if (code >= 0) code = dump(socket.get(), family, IPPROTO_TCP, TCP_LISTEN);
        if (code >= 0) code = dump(socket.get(), family, IPPROTO_UDP, TCP_CLOSE);  // it talks to nobody in particular
    }
    if (code < 0) {
        return Error{std::string("which ports are listened on (the kernel's modules tcp_diag and udp_diag): ") +
                     nl_geterror(code)};
    }
    return ports;
}

}  // namespace hairpin
