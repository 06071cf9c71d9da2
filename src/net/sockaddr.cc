#include "net/sockaddr.h"

#include <algorithm>

namespace hairpin {

SockAddr::SockAddr(const Endpoint& endpoint) {
    const auto bytes = endpoint.ip.network_bytes();
    if (endpoint.ip.is_v4()) {
        v4_ = {};
        v4_.sin_family = AF_INET;
        v4_.sin_port = htons(endpoint.port);
        std::ranges::copy(bytes, reinterpret_cast<uint8_t*>(&v4_.sin_addr));
    } else {
        v6_.sin6_family = AF_INET6;
        v6_.sin6_port = htons(endpoint.port);
        std::ranges::copy(bytes, reinterpret_cast<uint8_t*>(&v6_.sin6_addr));
    }
}

Endpoint SockAddr::endpoint() const {
    if (any_.sa_family == AF_INET6) {
        const auto* bytes = reinterpret_cast<const uint8_t*>(&v6_.sin6_addr);
        return {Ip::from_network(std::span<const uint8_t, 16>(bytes, 16)), ntohs(v6_.sin6_port)};
    }
    if (any_.sa_family == AF_INET) return {Ip::v4(ntohl(v4_.sin_addr.s_addr)), ntohs(v4_.sin_port)};
    return {Ip::any(Family::v4), 0};
}

socklen_t SockAddr::size() const { return any_.sa_family == AF_INET ? sizeof(v4_) : sizeof(v6_); }

int address_family(const Ip& ip) { return ip.is_v4() ? AF_INET : AF_INET6; }

}  // namespace hairpin
