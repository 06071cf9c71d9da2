#include "net/socket.h"

#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>

namespace hairpin {
namespace {

constexpr int listen_backlog = 65535;  // the kernel takes the smaller of this and net.core.somaxconn

Error cannot_serve(Protocol protocol, const Endpoint& endpoint, int error_number) {
    const std::string what = "cannot serve " + endpoint.str() + " (" + std::string(name(protocol)) + ")";
    switch (error_number) {
        case EADDRNOTAVAIL:
            return {what + ": the address is not on this machine; add it to a link (ip address add " +
                    endpoint.ip.str() + " dev LINK) or listen on an address that is"};
        case EADDRINUSE:
            return {what + ": the port is in use; see by whom with: ss -anp 'sport = " + std::to_string(endpoint.port) +
                    "'"};
        case EACCES:
            return {what +
                    ": ports below net.ipv4.ip_unprivileged_port_start need the capability "
                    "CAP_NET_BIND_SERVICE; run as root, grant it, or choose a port above 1023"};
        default:
            return system_error(what, error_number);
    }
}

Result<Fd> open_bound(Protocol protocol, const Endpoint& endpoint, bool share) {
    Fd fd = open_socket(protocol, endpoint.ip.family());
    if (!fd) return cannot_serve(protocol, endpoint, errno);
    // For UDP, SO_REUSEADDR would let another process of anybody's take the port over.
    if (protocol == Protocol::tcp) set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR);
    if (share) set_option(fd.get(), SOL_SOCKET, SO_REUSEPORT);
    if (!endpoint.ip.is_v4()) set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY);
    const SockAddr address(endpoint);
    if (bind(fd.get(), address.get(), address.size()) != 0) return cannot_serve(protocol, endpoint, errno);
    return fd;
}

// A socket that is bound to a link is not refused what routes to no link refuse: IPv4 takes its peer for a neighbour
// there (ip_route_output_key_hash_rcu()), and IPv6 goes on to the next route. So another one asks, which sends nothing.
bool is_routed(const Ip& source, const Endpoint& peer) {
    const Fd asks = open_socket(Protocol::udp, peer.ip.family());
    const SockAddr address(peer);
    return asks && bind_source(asks.get(), {source, 0}) && connect(asks.get(), address.get(), address.size()) == 0;
}

}  // namespace

Fd open_socket(Protocol protocol, Family family) {
    const int type = protocol == Protocol::tcp ? SOCK_STREAM : SOCK_DGRAM;
    return Fd(socket(family == Family::v4 ? AF_INET : AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

void set_option(int fd, int level, int option, int value) { setsockopt(fd, level, option, &value, sizeof(value)); }

void reset_on_close(int fd) {
    const linger abort{.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
}

Endpoint local_endpoint(int fd) {
    SockAddr address;
    socklen_t size = SockAddr::capacity();
    getsockname(fd, address.get(), &size);
    return address.endpoint();
}

std::optional<Endpoint> peer_endpoint(int fd) {
    SockAddr address;
    socklen_t size = SockAddr::capacity();
    if (getpeername(fd, address.get(), &size) != 0) return std::nullopt;
    return address.endpoint();
}

int pending_error(int fd) {
    int error_number = 0;
    socklen_t size = sizeof(error_number);
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error_number, &size);
    return error_number;
}

bool bind_source(int fd, const Endpoint& source) {
    set_option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT);
    const SockAddr address(source);
    return bind(fd, address.get(), address.size()) == 0;
}

bool is_reachable(const Ip& peer) {
    const Fd asks = open_socket(Protocol::udp, peer.family());
    const SockAddr address(Endpoint{peer, 9});
    return connect(asks.get(), address.get(), address.size()) == 0 || (errno != ENETUNREACH && errno != EHOSTUNREACH);
}

bool come_from(int fd, const Ip& source, const std::string& link, const Endpoint& peer) {
    if (!link.empty()) {
        if (!is_routed(source, peer)) return false;
        const auto length = static_cast<socklen_t>(link.size());
        if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, link.c_str(), length) != 0) return false;
    }
    set_option(fd, SOL_SOCKET, SO_REUSEADDR);  // a new endpoint may take the port
    return bind_source(fd, {source, 0});
}

int unacknowledged_bytes(int fd) {
    int bytes = 0;
    return ioctl(fd, SIOCOUTQ, &bytes) == 0 ? bytes : 0;
}

Result<Fd> open_listener(Protocol protocol, const Endpoint& endpoint) {
    auto fd = open_bound(protocol, endpoint, true);
    if (!fd || protocol == Protocol::udp) return fd;
    set_option(fd->get(), IPPROTO_TCP, TCP_NODELAY);
    set_option(fd->get(), SOL_SOCKET, SO_KEEPALIVE);
    set_option(fd->get(), SOL_SOCKET, SO_OOBINLINE);
    if (listen(fd->get(), listen_backlog) != 0) return cannot_serve(protocol, endpoint, errno);
    return fd;
}

unsigned reset_waiting_clients(int listener) {
    tcp_info info{};
    socklen_t size = sizeof(info);
    getsockopt(listener, IPPROTO_TCP, TCP_INFO, &info, &size);
    shutdown(listener, SHUT_RD);  // on Linux this ends the listening and keeps the address
    listen(listener, listen_backlog);
    return info.tcpi_unacked;  // of a listener: the length of its queue
}

Result<> check_unused(Protocol protocol, const Endpoint& endpoint) {
    const auto fd = open_bound(protocol, endpoint, false);
    if (!fd) return fd.error();
    return {};
}

}  // namespace hairpin
