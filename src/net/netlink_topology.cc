#include "net/netlink_topology.h"

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/vlan.h>
#include <netlink/route/route.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>

#include "base/freed.h"

namespace hairpin {
namespace {

constexpr int most_dumps = 5;  // of a table that changes while it is read

using Socket = std::unique_ptr<nl_sock, Freed<nl_socket_free>>;
using Cache = std::unique_ptr<nl_cache, Freed<nl_cache_free>>;

Error netlink_error(std::string_view doing, int code) {
    return {std::string(doing) + " through netlink: " + nl_geterror(code)};
}

// Nothing for what is no IP address: an absent one, or one of another family.
std::optional<Ip> ip_of(const nl_addr* address) {
    if (!address) return std::nullopt;
    const auto* bytes = static_cast<const uint8_t*>(nl_addr_get_binary_addr(address));
    const unsigned length = nl_addr_get_len(address);
    switch (nl_addr_get_family(address)) {
        case AF_INET:
            if (length != 4) return std::nullopt;
            return Ip::from_network(std::span<const uint8_t, 4>(bytes, 4));
        case AF_INET6:
            if (length != 16) return std::nullopt;
            return Ip::from_network(std::span<const uint8_t, 16>(bytes, 16));
        default:
            return std::nullopt;
    }
}

std::optional<Prefix> prefix_of(const nl_addr* address) {
    const int family = nl_addr_get_family(address);
    if (family != AF_INET && family != AF_INET6) return std::nullopt;
    // A default route comes with a destination of no bytes.
    if (nl_addr_get_len(address) == 0) return Prefix{Ip::any(family == AF_INET ? Family::v4 : Family::v6), 0};
    const auto ip = ip_of(address);
    if (!ip) return std::nullopt;
    return Prefix::of(*ip, static_cast<int>(nl_addr_get_prefixlen(address)));
}

// Calls `visit` with each object of a cache, as what it is.
template <class Object>
void for_each(const Cache& cache, auto visit) {
    for (nl_object* o = nl_cache_get_first(cache.get()); o; o = nl_cache_get_next(o)) {
        visit(reinterpret_cast<Object*>(o));
    }
}

std::vector<Link> links_up(const Cache& cache) {
    std::vector<Link> links;
    for_each<rtnl_link>(cache, [&](rtnl_link* link) {
        if (!(rtnl_link_get_flags(link) & IFF_UP)) return;
        Link& up = links.emplace_back();
        up.index = rtnl_link_get_ifindex(link);
        up.name = rtnl_link_get_name(link);
        up.master = rtnl_link_get_master(link);
        if (rtnl_link_is_vlan(link)) up.trunk = rtnl_link_get_link(link);
        const nl_addr* mac = rtnl_link_get_addr(link);
        if (mac && nl_addr_get_len(mac) == up.mac.size())
            std::memcpy(up.mac.data(), nl_addr_get_binary_addr(mac), up.mac.size());
    });
    return links;
}

std::vector<Address> usable_addresses(const Cache& cache, const std::vector<Link>& links) {
    std::vector<Address> addresses;
    for_each<rtnl_addr>(cache, [&](rtnl_addr* address) {
        if (rtnl_addr_get_flags(address) & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) return;
        const auto ip = ip_of(rtnl_addr_get_local(address));
        const int link = rtnl_addr_get_ifindex(address);
        if (!ip || std::ranges::find(links, link, &Link::index) == links.end()) return;
        // The length of a point-to-point address belongs to the peer; the route to it is in the table.
        const bool has_peer = rtnl_addr_get_peer(address) != nullptr;
        const int length = has_peer ? (ip->is_v4() ? 32 : 128) : rtnl_addr_get_prefixlen(address);
        addresses.push_back({*ip, length, link, (rtnl_addr_get_flags(address) & IFA_F_DEPRECATED) != 0});
    });
    return addresses;
}

struct Routes {
    std::vector<Route> unicast;
    std::vector<Prefix> local;
};

void add(Routes& routes, rtnl_route* route) {
    const auto destination = prefix_of(rtnl_route_get_dst(route));
    if (!destination) return;
    const auto table = rtnl_route_get_table(route);
    const int type = rtnl_route_get_type(route);
    // The kernel's own entries there are the addresses, with those that are not usable yet.
    if (table == RT_TABLE_LOCAL && type == RTN_LOCAL && rtnl_route_get_protocol(route) != RTPROT_KERNEL) {
        routes.local.push_back(*destination);
    }
    if (table != RT_TABLE_MAIN || type != RTN_UNICAST) return;
    for (int i = 0; i < rtnl_route_get_nnexthops(route); ++i) {
        rtnl_nexthop* hop = rtnl_route_nexthop_n(route, i);
        if (rtnl_route_nh_get_flags(hop) & RTNH_F_DEAD) continue;
        auto via = ip_of(rtnl_route_nh_get_gateway(hop));
        if (!via) via = ip_of(rtnl_route_nh_get_via(hop));  // of another family: RFC 5549
        routes.unicast.push_back({*destination, via, rtnl_route_nh_get_ifindex(hop), rtnl_route_get_priority(route),
                                  ip_of(rtnl_route_get_pref_src(route))});
    }
}

// Called with each message of a dump, by a library that knows no exceptions.
int on_route(nl_msg* message, void* routes) {
    rtnl_route* parsed = nullptr;
    if (const int code = rtnl_route_parse(nlmsg_hdr(message), &parsed); code < 0) return code;
    const std::unique_ptr<rtnl_route, Freed<rtnl_route_put>> route(parsed);
    try {
        add(*static_cast<Routes*>(routes), route.get());
    } catch (const std::bad_alloc&) {
        return -NLE_NOMEM;
    }
    return NL_OK;
}

// Message by message: a cache of the library looks through all routes for each one, which takes minutes for a table of
// the internet.
Result<Routes> read_routes(nl_sock* socket) {
    Routes routes;
    nl_socket_modify_cb(socket, NL_CB_VALID, NL_CB_CUSTOM, on_route, &routes);
    for (int tries_left = most_dumps;; --tries_left) {
        routes = {};
        rtmsg all{};
        int code = nl_send_simple(socket, RTM_GETROUTE, NLM_F_DUMP, &all, sizeof(all));
        if (code >= 0) code = nl_recvmsgs_default(socket);
        // Routes changed meanwhile: some may be missing. That change is noticed, and all is read again.
        if (code >= 0 || (code == -NLE_DUMP_INTR && tries_left == 1)) return routes;
        if (code != -NLE_DUMP_INTR) return netlink_error("reading routes", code);
    }
}

}  // namespace

Result<Topology> read_topology() {
    const Socket socket(nl_socket_alloc());
    if (!socket) return Error{"reading the network's state: no memory for a netlink socket"};
    if (const int code = nl_connect(socket.get(), NETLINK_ROUTE); code < 0) {
        return netlink_error("reading the network's state", code);
    }
    nl_cache* cache = nullptr;
    if (const int code = rtnl_link_alloc_cache(socket.get(), AF_UNSPEC, &cache); code < 0) {
        return netlink_error("reading links", code);
    }
    const Cache links(cache);
    if (const int code = rtnl_addr_alloc_cache(socket.get(), &cache); code < 0) {
        return netlink_error("reading addresses", code);
    }
    const Cache addresses(cache);
    auto routes = read_routes(socket.get());
    if (!routes) return routes.error();

    std::vector<Link> up = links_up(links);
    std::vector<Address> usable = usable_addresses(addresses, up);
    return Topology(std::move(up), std::move(usable), std::move(routes->unicast), std::move(routes->local));
}

}  // namespace hairpin
