// TCP by hand: sockets on hosts of a lab, the bytes they carry, and how their streams end. All of it blocks, and gives
// up after `patience`.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "support/noise.h"
#include "support/test_lab.h"

namespace hairpin {

// A socket that listens. Its queue holds one connection more than `backlog`; to others the kernel gives no answer.
Fd listen_on(const lab::Host& host, const Endpoint& endpoint, int backlog = 4096);
Fd accept_from(const Fd& listener);

// A client that is connected to `to`. Invalid, with the reason in errno, where it cannot be.
Fd dial(const lab::Host& host, const Endpoint& to);

bool is_readable(const Fd& socket, std::chrono::milliseconds timeout);

bool send_all(const Fd& to, std::string_view bytes);
// Less only where the stream ends or breaks before, or stands still.
std::string receive(const Fd& from, size_t size);

// What came until the stream ended; 0 if it ended in order, otherwise the errno.
struct Ending {
    std::string bytes;
    int error = 0;
};
Ending receive_to_end(const Fd& from);

void finish(const Fd& socket);           // no more bytes from here
void reset(Fd socket);                   // RST instead of the end of stream
void wait_until_sent(const Fd& socket);  // until the peer has acknowledged all

// The two ends of a connection through the gateway, each held by the test.
struct Conversation {
    Fd client, backend;

    bool alive() const;  // a question arrives, and so does its answer
};

// Connects and accepts. Where a client is refused instead, `refused_with` is what it saw; it is never left without
// either.
struct Meeting {
    std::optional<Conversation> conversation;
    int refused_with = 0;
};
Meeting meet(const lab::Host& host, const Endpoint& to, const std::vector<const Fd*>& backends);
Meeting meet(Fd client, const std::vector<const Fd*>& backends);  // that is connected; otherwise errno says why not

// What a process uses, from /proc.
size_t descriptors_of(pid_t pid);
size_t threads_of(pid_t pid);
size_t resident_bytes_of(pid_t pid);
std::chrono::milliseconds processor_time_of(pid_t pid);  // however long others kept it waiting; proc(5)

// Takes one link of a host down: what is sent over it is lost.
void cut(const lab::Host& host, const std::string& link);
// Gives the host one more IPv4 address of its own.
void gain_address(const lab::Host& host, const Ip& address);

}  // namespace hairpin
