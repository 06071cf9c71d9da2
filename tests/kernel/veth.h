// Links, addresses and routes for a test in its own namespace.
#pragma once

#include <gtest/gtest.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/veth.h>
#include <netlink/route/neighbour.h>
#include <netlink/route/route.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

namespace hairpin {

inline std::unique_ptr<nl_sock, decltype(&nl_socket_free)> route_socket() {
    std::unique_ptr<nl_sock, decltype(&nl_socket_free)> socket(nl_socket_alloc(), nl_socket_free);
    EXPECT_EQ(nl_connect(socket.get(), NETLINK_ROUTE), 0);
    return socket;
}

inline std::unique_ptr<nl_addr, decltype(&nl_addr_put)> netlink_address(const std::string& text) {
    nl_addr* address = nullptr;
    EXPECT_EQ(nl_addr_parse(text.c_str(), AF_UNSPEC, &address), 0) << text;
    return {address, nl_addr_put};
}

// "10.0.0.1/24". An IPv6 address is usable at once: nobody else can have it.
inline void add_address(const std::string& link, const std::string& text, unsigned flags = IFA_F_NODAD) {
    const auto socket = route_socket();
    const auto local = netlink_address(text);
    const std::unique_ptr<rtnl_addr, decltype(&rtnl_addr_put)> address(rtnl_addr_alloc(), rtnl_addr_put);
    rtnl_addr_set_ifindex(address.get(), static_cast<int>(if_nametoindex(link.c_str())));
    ASSERT_EQ(rtnl_addr_set_local(address.get(), local.get()), 0);
    if (nl_addr_get_family(local.get()) == AF_INET6) rtnl_addr_set_flags(address.get(), flags);
    ASSERT_EQ(rtnl_addr_add(socket.get(), address.get(), 0), 0) << text;
}

inline void set_up(const std::string& link) {
    const auto socket = route_socket();
    rtnl_link* found = nullptr;
    ASSERT_EQ(rtnl_link_get_kernel(socket.get(), 0, link.c_str(), &found), 0) << link;
    const std::unique_ptr<rtnl_link, decltype(&rtnl_link_put)> old(found, rtnl_link_put);
    const std::unique_ptr<rtnl_link, decltype(&rtnl_link_put)> up(rtnl_link_alloc(), rtnl_link_put);
    rtnl_link_set_flags(up.get(), IFF_UP);
    ASSERT_EQ(rtnl_link_change(socket.get(), old.get(), up.get(), 0), 0) << link;
}

// A pair of links, `name` and `name`-peer, both up, with this address on the first. Neither waits for the other's
// duplicate address detection.
inline void add_veth(const std::string& name, const std::string& address) {
    const auto socket = route_socket();
    ASSERT_EQ(rtnl_link_veth_add(socket.get(), name.c_str(), (name + "-peer").c_str(), getpid()), 0) << name;
    set_up(name + "-peer");
    set_up(name);
    add_address(name, address);
}

// One that is there for good, with a link address that tells nothing.
inline void add_neighbour(const std::string& link, const std::string& text) {
    const auto socket = route_socket();
    const auto address = netlink_address(text);
    const auto link_address = netlink_address("02:00:00:00:00:99");
    const std::unique_ptr<rtnl_neigh, decltype(&rtnl_neigh_put)> neighbour(rtnl_neigh_alloc(), rtnl_neigh_put);
    rtnl_neigh_set_ifindex(neighbour.get(), static_cast<int>(if_nametoindex(link.c_str())));
    ASSERT_EQ(rtnl_neigh_set_dst(neighbour.get(), address.get()), 0);
    rtnl_neigh_set_lladdr(neighbour.get(), link_address.get());
    rtnl_neigh_set_state(neighbour.get(), NUD_PERMANENT);
    ASSERT_EQ(rtnl_neigh_add(socket.get(), neighbour.get(), NLM_F_CREATE), 0) << text;
}

struct Hop {
    std::string via;  // empty: on the link
    std::string link;
};

inline void add_route(const std::string& destination, const std::vector<Hop>& hops, uint32_t metric = 0,
                      uint8_t type = RTN_UNICAST, uint32_t table = RT_TABLE_MAIN, const std::string& source = "") {
    const auto socket = route_socket();
    const auto network = netlink_address(destination);
    const std::unique_ptr<rtnl_route, decltype(&rtnl_route_put)> route(rtnl_route_alloc(), rtnl_route_put);
    ASSERT_EQ(rtnl_route_set_dst(route.get(), network.get()), 0);
    rtnl_route_set_family(route.get(), static_cast<uint8_t>(nl_addr_get_family(network.get())));
    rtnl_route_set_priority(route.get(), metric);
    rtnl_route_set_table(route.get(), table);
    if (!source.empty()) rtnl_route_set_pref_src(route.get(), netlink_address(source).get());
    ASSERT_EQ(rtnl_route_set_type(route.get(), type), 0);
    rtnl_route_set_scope(route.get(), RT_SCOPE_UNIVERSE);
    for (const Hop& hop : hops) {
        rtnl_nexthop* next = rtnl_route_nh_alloc();
        rtnl_route_nh_set_ifindex(next, static_cast<int>(if_nametoindex(hop.link.c_str())));
        if (hop.via.empty()) {
            rtnl_route_set_scope(route.get(), type == RTN_LOCAL ? RT_SCOPE_HOST : RT_SCOPE_LINK);
        } else {
            rtnl_route_nh_set_gateway(next, netlink_address(hop.via).get());
        }
        rtnl_route_add_nexthop(route.get(), next);
    }
    const int code = rtnl_route_add(socket.get(), route.get(), NLM_F_CREATE | NLM_F_EXCL);
    ASSERT_EQ(code, 0) << destination << ": " << nl_geterror(code);
}

}  // namespace hairpin
