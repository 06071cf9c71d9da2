#include "net/xdp_links.h"

#include <netlink/errno.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>

#include <array>
#include <memory>
#include <new>
#include <string>

#include "base/freed.h"

namespace hairpin {
namespace {

// As in linux/netdev.h, which is younger than the headers that we are built with.
constexpr uint8_t version = 1;
constexpr uint8_t get_device = 1;
enum Attribute { link_index = 1, xdp_features = 3, last_attribute = xdp_features };
enum Feature : uint64_t { redirects = 1U << 1, takes_redirected = 1U << 2 };

// Called with each device, by a library that knows no exceptions.
int add_device(nl_msg* message, void* links) {
    std::array<nlattr*, last_attribute + 1> attributes{};
    const int code = genlmsg_parse(nlmsg_hdr(message), 0, attributes.data(), last_attribute, nullptr);
    if (code < 0) return code;
    if (!attributes[link_index] || !attributes[xdp_features]) return NL_OK;
    const uint64_t features = nla_get_u64(attributes[xdp_features]);
    if ((features & (redirects | takes_redirected)) == 0) return NL_OK;
    try {
        static_cast<std::vector<XdpLink>*>(links)->push_back(
            {.index = static_cast<int>(nla_get_u32(attributes[link_index])),
             .runs = (features & redirects) != 0,
             .takes_frames = (features & takes_redirected) != 0});
    } catch (const std::bad_alloc&) {
        return -NLE_NOMEM;
    }
    return NL_OK;
}

// Zero or a negative code of libnl.
int dump(nl_sock* socket) {
    const int family = genl_ctrl_resolve(socket, "netdev");
    if (family < 0) return family;
    const std::unique_ptr<nl_msg, Freed<nlmsg_free>> request(nlmsg_alloc());
    if (!request || !genlmsg_put(request.get(), NL_AUTO_PORT, NL_AUTO_SEQ, family, 0, NLM_F_DUMP, get_device, version))
        return -NLE_NOMEM;
    const int sent = nl_send_auto(socket, request.get());
    return sent < 0 ? sent : nl_recvmsgs_default(socket);
}

}  // namespace

Result<std::vector<XdpLink>> xdp_links() {
    std::vector<XdpLink> links;
    const std::unique_ptr<nl_sock, Freed<nl_socket_free>> socket(nl_socket_alloc());
    int code = socket ? genl_connect(socket.get()) : -NLE_NOMEM;
    if (code == 0) nl_socket_modify_cb(socket.get(), NL_CB_VALID, NL_CB_CUSTOM, add_device, &links);
    if (code == 0) code = dump(socket.get());
    if (code < 0) return Error{std::string("what drivers can do with XDP: ") + nl_geterror(code)};
    return links;
}

}  // namespace hairpin
