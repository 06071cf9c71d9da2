#include "lab/host.h"

#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/bridge.h>
#include <netlink/route/link/veth.h>
#include <netlink/route/route.h>
#include <sched.h>

#include <cstdlib>
#include <string>
#include <thread>

#include "net/sockaddr.h"
#include "net/sysctl.h"

namespace hairpin::lab {
namespace {

// Frees what libnl allocated.
struct Put {
    void operator()(rtnl_link* link) const { rtnl_link_put(link); }
    void operator()(rtnl_addr* address) const { rtnl_addr_put(address); }
    void operator()(rtnl_route* route) const { rtnl_route_put(route); }
    void operator()(nl_addr* address) const { nl_addr_put(address); }
};
template <class T>
using Owned = std::unique_ptr<T, Put>;

Result<> check(std::string_view doing, int status) {
    if (status < 0) return Error{std::string(doing) + ": " + nl_geterror(status)};
    return {};
}

Owned<nl_addr> to_netlink(const Ip& ip, int prefix_length) {
    const auto bytes = ip.network_bytes();
    Owned<nl_addr> address(nl_addr_build(address_family(ip), bytes.data(), bytes.size()));
    nl_addr_set_prefixlen(address.get(), prefix_length);
    return address;
}

}  // namespace

void Host::CloseNetlink::operator()(nl_sock* sock) const { nl_socket_free(sock); }

Result<Host> Host::make() {
    Host host;
    Result<> made;
    std::thread([&] {
        // /proc/thread-self is this thread's whatever mount namespace the process is in.
        if (unshare(CLONE_NEWNET) != 0) {
            made = system_error("a network namespace");
            return;
        }
        host.netns_ = Fd(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
        if (!host.netns_) made = system_error("/proc/thread-self/ns/net");
        host.netlink_.reset(nl_socket_alloc());
        if (made) made = check("netlink", nl_connect(host.netlink_.get(), NETLINK_ROUTE));
    }).join();
    if (!made) return made.error();
    // The lab's addresses are unique by construction, and it cannot wait a second for each.
    if (auto set = host.set_sysctl("net/ipv6/conf/default/accept_dad", "0"); !set) return set.error();
    if (auto up = host.set_up(1); !up) return up.error();
    return host;
}

void Host::run_within(const std::function<void()>& work) const {
    std::thread([&] {
        // Cannot fail with a descriptor of a network namespace and the privileges that made it; to go on in the wrong
        // network would prove nothing.
        if (setns(netns_.get(), CLONE_NEWNET) != 0) std::abort();
        work();
    }).join();
}

Result<> Host::connect(Host& one, const Link& one_end, Host& other, const Link& other_end) {
    const Owned<rtnl_link> link(rtnl_link_veth_alloc());
    rtnl_link_set_name(link.get(), one_end.name.c_str());
    rtnl_link_set_ifindex(link.get(), one_end.index);
    const Owned<rtnl_link> peer(rtnl_link_veth_get_peer(link.get()));
    rtnl_link_set_name(peer.get(), other_end.name.c_str());
    rtnl_link_set_ifindex(peer.get(), other_end.index);
    rtnl_link_set_ns_fd(peer.get(), other.netns());
    auto added =
        check("link '" + one_end.name + "'", rtnl_link_add(one.netlink_.get(), link.get(), NLM_F_CREATE | NLM_F_EXCL));
    if (!added) return added;
    if (auto up = one.set_up(one_end.index); !up) return up;
    return other.set_up(other_end.index);
}

Result<> Host::set_up(int link) {
    const Owned<rtnl_link> which(rtnl_link_alloc());
    const Owned<rtnl_link> change(rtnl_link_alloc());
    rtnl_link_set_ifindex(which.get(), link);
    rtnl_link_set_flags(change.get(), IFF_UP);
    return check("link up", rtnl_link_change(netlink_.get(), which.get(), change.get(), 0));
}

Result<> Host::add_bridge(const std::string& name, std::span<const Link> ports) {
    auto added = check("bridge '" + name + "'", rtnl_link_bridge_add(netlink_.get(), name.c_str()));
    if (!added) return added;
    const int index = run([&] { return static_cast<int>(if_nametoindex(name.c_str())); });
    for (const Link& port : ports) {
        auto enslaved =
            check("bridge port '" + port.name + "'", rtnl_link_enslave_ifindex(netlink_.get(), index, port.index));
        if (!enslaved) return enslaved;
    }
    return set_up(index);
}

Result<> Host::add_address(const Address& address) {
    const Owned<rtnl_addr> request(rtnl_addr_alloc());
    rtnl_addr_set_ifindex(request.get(), address.link);
    rtnl_addr_set_local(request.get(), to_netlink(address.ip, address.prefix_length).get());
    rtnl_addr_set_flags(request.get(), IFA_F_NODAD);
    return check("address " + address.ip.str(),
                 rtnl_addr_add(netlink_.get(), request.get(), NLM_F_CREATE | NLM_F_EXCL));
}

Result<> Host::add_route(const Route& route) {
    const Owned<rtnl_route> request(rtnl_route_alloc());
    const Owned<nl_addr> destination = to_netlink(route.destination.address, route.destination.length);
    rtnl_route_set_family(request.get(), static_cast<uint8_t>(address_family(route.destination.address)));
    rtnl_route_set_dst(request.get(), destination.get());
    rtnl_route_set_priority(request.get(), route.metric);
    rtnl_nexthop* hop = rtnl_route_nh_alloc();  // the route's once added
    rtnl_route_nh_set_ifindex(hop, route.link);
    Owned<nl_addr> via;
    if (route.via) {
        via = to_netlink(*route.via, route.via->is_v4() ? 32 : 128);
        rtnl_route_nh_set_gateway(hop, via.get());
    }
    rtnl_route_add_nexthop(request.get(), hop);
    return check("route to " + route.destination.str(),
                 rtnl_route_add(netlink_.get(), request.get(), NLM_F_CREATE | NLM_F_EXCL));
}

Result<> Host::set_sysctl(std::string_view key, std::string_view value) const {
    return run([&] { return write_sysctl(key, value); });
}

}  // namespace hairpin::lab
