// Datagrams on their way through: received many at a time, sent on many at a time, without being copied.
//
// Datagrams of one size that go the same way leave as one message, which the kernel cuts into segments (UDP_SEGMENT):
// so the layers of its network are passed once. What the kernel joined when it received it (UDP_GRO) is taken apart
// here, for all the rest to know datagrams only.
#pragma once

#include <sys/socket.h>

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engines/proxy/segments.h"
#include "net/sockaddr.h"

namespace hairpin::proxy {

// Room for one batch. Used by its worker's thread alone; what it holds is valid until clear().
class DatagramBatch {
public:
    static constexpr size_t most_messages = 64;

    DatagramBatch();

    void clear();
    size_t size() const { return datagrams_.size(); }
    size_t room() const { return most_messages - messages_; }  // for messages

    // Adds what waits on a socket, `wanted` messages at the most. How many it got; 0 where there is nothing or the
    // socket reports an ICMP error, which is cleared by that: receive_error() tells it. Precondition: wanted <= room().
    size_t receive(int fd, size_t wanted);
    int receive_error() const { return receive_error_; }  // of the last receive(), as errno; 0: none

    Payload payload(size_t i) const { return datagrams_[i].payload; }
    void skip(size_t i, size_t bytes) { datagrams_[i].payload = payload(i).subspan(bytes); }  // cuts its beginning off
    Endpoint source(size_t i) const { return source_address(i).endpoint(); }
    const SockAddr& source_address(size_t i) const { return sources_[datagrams_[i].message]; }
    // The address that the datagram was sent to; nothing unless the socket tells it (tell_destinations()).
    std::optional<Ip> destination(size_t i) const;
    // Whether two datagrams have the same sender and were sent to the same address.
    bool alike(size_t i, size_t k) const;

    struct Route {
        size_t& largest_joined;        // larger ones leave alone; lowered where the kernel refuses to join them
        Payload header{};              // goes ahead of each payload, in the same datagram
        const SockAddr* to = nullptr;  // absent: where the socket is connected to
        std::optional<Ip> from{};      // absent: the socket's own address
    };
    struct Sent {
        size_t bytes = 0;     // of payload
        size_t oversize = 0;  // datagrams that were dropped since no datagram is that large
        size_t no_room = 0;   // datagrams that were dropped since the socket or the kernel has no room
        size_t errors = 0;    // other ones that the socket reported
        int last_error = 0;   // of those, as errno
    };
    // Datagrams that go the same way, and what became of them.
    struct Run {
        size_t first;
        size_t last;  // the one behind them
        Route route;
        Sent sent{};
    };
    // Sends runs on from one socket. What it does not take is dropped. Takes no memory.
    void send(int fd, std::span<Run> runs);

private:
    // More than any message. Not 64 KiB: what the slots begin with would all fall into the same few lines of the cache.
    static constexpr size_t slot_size = 65536 + 64;

    union Control {
        cmsghdr align;
        std::array<char, 64> bytes;
    };
    struct Outgoing {
        Run* run;
        size_t end;  // the datagram behind its last
    };

    size_t compose(std::span<Run> runs);
    void compose(size_t index, const Run& run, size_t first, size_t end);
    void add_part(msghdr& message, Payload part);
    void took(size_t message);
    int send_some(int fd, size_t first, size_t count);

    size_t messages_ = 0;
    int receive_error_ = 0;
    std::unique_ptr<std::array<uint8_t, slot_size>[]> slots_;
    std::array<iovec, most_messages> slot_parts_{};
    std::array<SockAddr, most_messages> sources_{};
    std::array<Control, most_messages> controls_{};
    std::array<mmsghdr, most_messages> in_{};
    std::vector<Datagram> datagrams_;

    std::array<Outgoing, most_messages> outgoing_{};
    std::array<Control, most_messages> out_controls_{};
    std::array<mmsghdr, most_messages> out_{};
    std::array<iovec, 1024> parts_{};
    size_t parts_used_ = 0;
};

// Makes a socket tell the address that each datagram was sent to.
void tell_destinations(int fd, Family family);

// Lets the kernel join what a socket receives, where the network device's driver does that. For DatagramBatch alone.
void join_received(int fd);

}  // namespace hairpin::proxy
