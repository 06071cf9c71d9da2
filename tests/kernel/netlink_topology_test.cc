// The topology that netlink tells: a gateway built in a namespace, read back.
#include "net/netlink_topology.h"

#include <linux/if_addr.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "kernel/namespace.h"
#include "kernel/veth.h"
#include "net/socket.h"
#include "net/sysctl.h"
#include "support/thread_time.h"

namespace hairpin {
namespace {

using NetlinkTopology = InNamespace;

Ip ip(std::string_view text) { return Ip::parse(text).value(); }

// "10.0.0.0/24 dev int" or "0.0.0.0/0 via 1.0.0.254 dev ext metric 5", of the route that a packet to `text` takes.
std::string route(const Topology& topology, std::string_view text) {
    const Route* r = topology.route_to(ip(text));
    if (!r) return "";
    return r->destination.str() + (r->via ? " via " + r->via->str() : "") + " dev " + topology.link(r->link)->name +
           (r->metric ? " metric " + std::to_string(r->metric) : "");
}

// An address that is to be used no more for what is new.
void deprecate(const std::string& link, const std::string& text) {
    const auto socket = route_socket();
    const auto local = netlink_address(text);
    const std::unique_ptr<rtnl_addr, decltype(&rtnl_addr_put)> address(rtnl_addr_alloc(), rtnl_addr_put);
    rtnl_addr_set_ifindex(address.get(), static_cast<int>(if_nametoindex(link.c_str())));
    ASSERT_EQ(rtnl_addr_set_local(address.get(), local.get()), 0);
    rtnl_addr_set_flags(address.get(), IFA_F_NODAD);
    rtnl_addr_set_preferred_lifetime(address.get(), 0);
    rtnl_addr_set_valid_lifetime(address.get(), 3600);
    ASSERT_EQ(rtnl_addr_add(socket.get(), address.get(), NLM_F_REPLACE), 0) << text;
}

// The source that the kernel chooses for a socket of its own.
Ip kernels_source(const Ip& destination) {
    const Fd fd = open_socket(Protocol::udp, destination.family());
    const SockAddr address(Endpoint{destination, 9});
    EXPECT_EQ(connect(fd.get(), address.get(), address.size()), 0) << strerror(errno);
    return local_endpoint(fd.get()).ip;
}

TEST_F(NetlinkTopology, OfAFreshNamespaceIsLoopback) {
    alone([] {
        const Topology t = read_topology().value();
        ASSERT_EQ(t.links().size(), 1u);
        EXPECT_EQ(t.links()[0].name, "lo");
        EXPECT_EQ(t.addresses().size(), 6u);  // 127.0.0.1, ::1, and the four of every test
        EXPECT_TRUE(t.owns(ip("1.0.0.1")));
        EXPECT_EQ(route(t, "127.0.0.1"), "127.0.0.0/8 dev lo");
        EXPECT_EQ(route(t, "8.8.8.8"), "");
    });
}

TEST_F(NetlinkTopology, OfATwoLeggedGateway) {
    alone([] {
        add_veth("ext", "192.0.2.1/24");
        add_veth("int", "10.1.0.1/24");
        add_address("ext", "2001:db8::1/64");
        add_address("int", "fd00::1/64");
        add_route("0.0.0.0/0", {{"192.0.2.254", "ext"}}, 7);
        add_route("::/0", {{"2001:db8::fe", "ext"}}, 9);
        add_route("10.50.0.0/16", {{"10.1.0.254", "int"}});
        add_route("fd50::/48", {{"fe80::9", "int"}}, 1);
        const Topology t = read_topology().value();

        EXPECT_EQ(route(t, "8.8.8.8"), "0.0.0.0/0 via 192.0.2.254 dev ext metric 7");
        EXPECT_EQ(route(t, "2600::1"), "::/0 via 2001:db8::fe dev ext metric 9");
        EXPECT_EQ(route(t, "10.1.0.2"), "10.1.0.0/24 dev int");
        EXPECT_EQ(route(t, "fd00::2"), "fd00::/64 dev int metric 256");
        EXPECT_EQ(route(t, "10.50.1.1"), "10.50.0.0/16 via 10.1.0.254 dev int");
        EXPECT_EQ(route(t, "fd50::1"), "fd50::/48 via fe80::9 dev int metric 1");
        for (const auto own : {"192.0.2.1", "10.1.0.1", "2001:db8::1", "fd00::1"}) EXPECT_TRUE(t.owns(ip(own))) << own;
        EXPECT_EQ(t.source_towards(ip("10.50.1.1")), ip("10.1.0.1"));
        EXPECT_EQ(t.source_towards(ip("2600::1")), ip("2001:db8::1"));
        EXPECT_EQ(t.source_towards(ip("fd50::1")), ip("fd00::1"));
    });
}

// The kernel itself sends from these: what `ip route get` says.
TEST_F(NetlinkTopology, TellsWhichAddressFacesADestination) {
    alone([] {
        add_veth("ext", "192.0.2.1/24");
        add_address("ext", "192.0.2.9/24");
        add_address("ext", "2001:db8:1::1/64", IFA_F_NODAD);
        add_address("ext", "2001:db8:2::1/64", IFA_F_NODAD);
        deprecate("ext", "2001:db8:1::1/64");
        add_route("0.0.0.0/0", {{"192.0.2.254", "ext"}}, 0, RTN_UNICAST, RT_TABLE_MAIN, "192.0.2.9");
        add_route("::/0", {{"fe80::9", "ext"}}, 1);
        const Topology t = read_topology().value();
        for (const auto destination : {"8.8.8.8", "192.0.2.7", "2600::1", "2001:db8:1::7"}) {
            EXPECT_EQ(t.source_towards(ip(destination)), kernels_source(ip(destination))) << destination;
        }
        EXPECT_EQ(t.source_towards(ip("8.8.8.8")), ip("192.0.2.9"));
        EXPECT_EQ(t.source_towards(ip("2600::1")), ip("2001:db8:2::1"));
    });
}

TEST_F(NetlinkTopology, LeavesOutWhatCarriesNoPacket) {
    alone([] {
        add_veth("int", "10.1.0.1/24");
        add_address("int", "fd00::1/64");
        ASSERT_TRUE(write_sysctl("net/ipv6/conf/int/dad_transmits", "1000"));  // a second each
        add_address("int", "fd00::bad/64", IFA_F_TENTATIVE);
        add_route("10.60.0.0/16", {}, 0, RTN_BLACKHOLE);
        add_route("10.61.0.0/16", {}, 0, RTN_UNREACHABLE);
        add_route("10.62.0.0/16", {{"10.1.0.254", "int"}}, 0, RTN_UNICAST, 123);  // of another table
        const auto socket = route_socket();
        ASSERT_EQ(rtnl_link_veth_add(socket.get(), "down", "down-peer", getpid()), 0);
        add_address("down", "10.2.0.1/24");
        const Topology t = read_topology().value();

        EXPECT_FALSE(t.owns(ip("fd00::bad")));
        for (const auto nowhere : {"10.60.0.1", "10.61.0.1", "10.62.0.1", "10.2.0.2"}) EXPECT_EQ(route(t, nowhere), "");
        EXPECT_FALSE(t.owns(ip("10.2.0.1")));
        EXPECT_TRUE(std::ranges::none_of(t.links(), [](const Link& link) { return link.name == "down"; }));
    });
}

// AnyIP: what the local table says beyond the addresses of the links.
TEST_F(NetlinkTopology, OwnsTheNetworksThatAreRoutedToItself) {
    alone([] {
        add_veth("ext", "192.0.2.1/24");
        add_route("10.9.0.0/24", {{"", "lo"}}, 0, RTN_LOCAL, RT_TABLE_LOCAL);
        add_route("fd09::/64", {{"", "lo"}}, 0, RTN_LOCAL, RT_TABLE_LOCAL);
        add_route("10.9.9.9/32", {{"", "lo"}}, 0, RTN_LOCAL, RT_TABLE_LOCAL);
        const Topology t = read_topology().value();
        for (const auto own : {"10.9.0.1", "10.9.0.200", "10.9.9.9", "fd09::77"}) EXPECT_TRUE(t.owns(ip(own))) << own;
        for (const auto other : {"10.9.1.1", "10.9.9.8", "192.0.2.255", "fd09:1::1"}) {
            EXPECT_FALSE(t.owns(ip(other))) << other;
        }
        EXPECT_EQ(t.local().size(), 3u);
    });
}

TEST_F(NetlinkTopology, TakesEachNextHopOfAMultipathRoute) {
    alone([] {
        add_veth("a", "10.1.0.1/24");
        add_veth("b", "10.2.0.1/24");
        add_route("10.50.0.0/16", {{"10.1.0.254", "a"}, {"10.2.0.254", "b"}});
        const Topology t = read_topology().value();
        std::vector<std::string> routers;
        for (const Route& r : t.routes()) {
            if (r.destination.str() == "10.50.0.0/16") routers.push_back(r.via->str());
        }
        std::ranges::sort(routers);
        EXPECT_EQ(routers, (std::vector<std::string>{"10.1.0.254", "10.2.0.254"}));
    });
}

TEST_F(NetlinkTopology, TakesAPointToPointAddressForOneAddress) {
    alone([] {
        add_veth("tun", "10.1.0.1/32");
        const auto socket = route_socket();
        const auto local = netlink_address("10.8.0.1/32");
        const auto peer = netlink_address("10.9.0.0/24");
        const std::unique_ptr<rtnl_addr, decltype(&rtnl_addr_put)> address(rtnl_addr_alloc(), rtnl_addr_put);
        rtnl_addr_set_ifindex(address.get(), static_cast<int>(if_nametoindex("tun")));
        ASSERT_EQ(rtnl_addr_set_local(address.get(), local.get()), 0);
        ASSERT_EQ(rtnl_addr_set_peer(address.get(), peer.get()), 0);
        ASSERT_EQ(rtnl_addr_add(socket.get(), address.get(), 0), 0);
        const Topology t = read_topology().value();
        EXPECT_TRUE(t.owns(ip("10.8.0.1")));
        EXPECT_EQ(route(t, "10.8.0.2"), "");
        EXPECT_EQ(route(t, "10.9.0.2"), "10.9.0.0/24 dev tun");
    });
}

// Routes to 20.0.0.0/24, 20.0.1.0/24 and so on.
void add_routes_to_networks(int count, const Hop& hop) {
    const auto socket = route_socket();
    const std::unique_ptr<rtnl_route, decltype(&rtnl_route_put)> route(rtnl_route_alloc(), rtnl_route_put);
    rtnl_nexthop* next = rtnl_route_nh_alloc();
    rtnl_route_nh_set_ifindex(next, static_cast<int>(if_nametoindex(hop.link.c_str())));
    rtnl_route_nh_set_gateway(next, netlink_address(hop.via).get());
    rtnl_route_add_nexthop(route.get(), next);
    rtnl_route_set_scope(route.get(), RT_SCOPE_UNIVERSE);
    for (int i = 0; i < count; ++i) {
        const uint32_t network = htonl((20U << 24) + (static_cast<uint32_t>(i) << 8));
        nl_addr* destination = nl_addr_build(AF_INET, &network, sizeof(network));
        nl_addr_set_prefixlen(destination, 24);
        rtnl_route_set_dst(route.get(), destination);
        nl_addr_put(destination);
        ASSERT_EQ(rtnl_route_add(socket.get(), route.get(), NLM_F_CREATE | NLM_F_EXCL), 0);
    }
}

// A table of the internet took minutes: the time grew with the square of its length.
TEST_F(NetlinkTopology, OfManyRoutesIsReadInAMoment) {
    alone([] {
        add_veth("ext", "192.0.2.1/24");
        constexpr int many = 100'000;
        add_routes_to_networks(many, {"192.0.2.254", "ext"});
        const auto before = thread_time();
        const Topology t = read_topology().value();
        EXPECT_LT(thread_time() - before, std::chrono::milliseconds(3000));
        EXPECT_GE(t.routes().size(), size_t{many});
        EXPECT_EQ(route(t, "21.134.159.7"), "21.134.159.0/24 via 192.0.2.254 dev ext");
    });
}

// Namespaces are per thread, and so is what read_topology() sees.
TEST_F(NetlinkTopology, IsThatOfTheCallingThread) {
    alone([] {
        std::string there = "unread";
        std::thread([&] {
            ASSERT_EQ(unshare(CLONE_NEWNET), 0);
            there = route(read_topology().value(), "127.0.0.1");
        }).join();
        EXPECT_EQ(there, "");  // its loopback link is down
        EXPECT_EQ(route(read_topology().value(), "127.0.0.1"), "127.0.0.0/8 dev lo");
    });
}

}  // namespace
}  // namespace hairpin
