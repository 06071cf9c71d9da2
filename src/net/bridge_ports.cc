#include "net/bridge_ports.h"

#include <linux/rtnetlink.h>
#include <netlink/cache.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <netlink/route/link/bridge.h>

#include <memory>

#include "base/freed.h"

namespace hairpin {

std::vector<std::string> one_way_ports(int bridge) {
    const std::unique_ptr<nl_sock, Freed<nl_socket_free>> socket(nl_socket_alloc());
    if (!socket || nl_connect(socket.get(), NETLINK_ROUTE) < 0) return {};
    nl_cache* links = nullptr;
    if (rtnl_link_alloc_cache(socket.get(), AF_BRIDGE, &links) < 0) return {};
    const std::unique_ptr<nl_cache, Freed<nl_cache_free>> freed(links);
    std::vector<std::string> ports;
    for (nl_object* object = nl_cache_get_first(links); object; object = nl_cache_get_next(object)) {
        auto* link = reinterpret_cast<rtnl_link*>(object);
        const bool is_port = rtnl_link_is_bridge(link) != 0 && rtnl_link_get_master(link) == bridge &&
                             rtnl_link_get_ifindex(link) != bridge;
        const int flags = is_port ? rtnl_link_bridge_get_flags(link) : 0;
        if (is_port && flags >= 0 && (flags & RTNL_BRIDGE_HAIRPIN_MODE) == 0) {
            ports.emplace_back(rtnl_link_get_name(link));
        }
    }
    return ports;
}

}  // namespace hairpin
