#include "net/topology_watch.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

namespace hairpin {

Result<TopologyWatch> TopologyWatch::open() {
    Fd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE));
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    address.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
    if (!fd || bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
        fcntl(fd.get(), F_SETOWN, getpid()) != 0 || fcntl(fd.get(), F_SETFL, O_NONBLOCK | O_ASYNC) != 0) {
        return system_error("watching the network for changes");
    }
    return TopologyWatch(std::move(fd));
}

bool TopologyWatch::changed(std::chrono::milliseconds wait) const {
    pollfd ready{.fd = fd_.get(), .events = POLLIN, .revents = 0};
    if (poll(&ready, 1, static_cast<int>(wait.count())) <= 0) return false;
    bool changed = false;
    char message;
    // What the messages say is of no interest. ENOBUFS: there were more than the kernel could keep.
    while (recv(fd_.get(), &message, sizeof(message), MSG_TRUNC) >= 0 || errno == ENOBUFS) changed = true;
    return changed;
}

}  // namespace hairpin
