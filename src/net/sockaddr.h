// An Endpoint in the kernel's form, and back.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include "model/ip.h"

namespace hairpin {

// A socket address of either family, large enough to receive one from the kernel.
class SockAddr {
public:
    SockAddr() = default;  // empty, to be filled by the kernel
    explicit SockAddr(const Endpoint& endpoint);

    Endpoint endpoint() const;  // 0.0.0.0:0 unless it holds an Internet address

    // The link that a link-local IPv6 address is on, as its index; 0 for all others.
    uint32_t link() const { return any_.sa_family == AF_INET6 ? v6_.sin6_scope_id : 0; }

    const sockaddr* get() const { return &any_; }
    sockaddr* get() { return &any_; }
    socklen_t size() const;  // of the address held
    static constexpr socklen_t capacity() { return sizeof(sockaddr_in6); }

private:
    union {
        sockaddr any_;
        sockaddr_in v4_;
        sockaddr_in6 v6_{};
    };
};

int address_family(const Ip& ip);  // AF_INET or AF_INET6

}  // namespace hairpin
