// Datagrams on their way through: received many at a time, sent on many at a time, without being copied.
#pragma once

#include <sys/socket.h>

#include <array>
#include <memory>
#include <optional>
#include <span>

#include "net/sockaddr.h"

namespace hairpin::proxy {

// Room for one batch. One a worker, used by its thread alone; what it holds is valid until the next receive().
class DatagramBatch {
public:
    static constexpr size_t most = 32;
    static constexpr size_t datagram_size = 65536;  // more than any UDP payload

    DatagramBatch();

    // Receives what waits on a socket, `most` at the most. How many, 0 where there is nothing or the socket reports an
    // ICMP error; the error is cleared by that, and receive_error() tells it.
    size_t receive(int fd);
    int receive_error() const { return receive_error_; }  // of the last receive(), as errno; 0: none

    std::span<const uint8_t> payload(size_t i) const;
    void skip(size_t i, size_t bytes);  // cuts the payload's beginning off
    Endpoint source(size_t i) const { return sources_[i].endpoint(); }
    const SockAddr& source_address(size_t i) const { return sources_[i]; }
    // The address that the datagram was sent to; nothing unless the socket tells it (tell_destinations()).
    std::optional<Ip> destination(size_t i) const;

    // Where a run of datagrams goes.
    struct Route {
        int fd;                             // the socket to send from
        std::span<const uint8_t> header{};  // goes ahead of each payload, in the same datagram
        const SockAddr* to = nullptr;       // absent: where the socket is connected to
        std::optional<Ip> from{};           // absent: the socket's own address
    };
    struct Sent {
        size_t bytes = 0;     // of payload
        size_t oversize = 0;  // datagrams that were dropped since no datagram is that large
        size_t no_room = 0;   // datagrams that were dropped since the socket or the kernel has no room
        size_t errors = 0;    // other ones that the socket reported
        int last_error = 0;   // of those, as errno
    };
    // Sends datagrams first..last-1 on. What the socket does not take is dropped.
    Sent send(size_t first, size_t last, const Route& route);

private:
    union Control {
        cmsghdr align;
        std::array<char, 64> bytes;
    };
    static constexpr size_t control_size = sizeof(Control);

    int receive_error_ = 0;
    std::unique_ptr<std::array<uint8_t, datagram_size>[]> bytes_;
    std::array<SockAddr, most> sources_{};
    std::array<iovec, most> payloads_{};
    std::array<Control, most> controls_{};
    std::array<mmsghdr, most> in_{};
    std::array<std::array<iovec, 2>, most> out_parts_{};
    std::array<mmsghdr, most> out_{};
};

// Makes a socket tell the address that each datagram was sent to.
void tell_destinations(int fd, Family family);

}  // namespace hairpin::proxy
