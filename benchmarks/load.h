// Load that no program of Debian makes: connections that are opened to be ended, UDP sessions side by side (sockperf
// has one datagram under way at a time), bursts of datagrams, connections that are only held.
#pragma once

#include <chrono>
#include <vector>

#include "arena.h"

namespace hairpin::bench {

enum class Ending { reset, close };  // what the client does: RST, or FIN

struct Outcome {
    double seconds = 0;
    uint64_t done = 0;
    uint64_t failed = 0;

    double rate() const { return static_cast<double>(done) / seconds; }
};

// True once the endpoint has answered, over TCP and, where it is asked for, UDP.
bool wait_for_answer(const Client& client, bool udp, std::chrono::milliseconds timeout);

// Opens connections, 64 at a time, and ends each when it was answered.
Result<Outcome> connect_load(const Client& client, Ending ending, std::chrono::milliseconds time);

// Sends one datagram from each of so many sockets, and the next when the answer has come. One that is lost is sent
// again once no other answer comes.
Result<Outcome> datagram_load(const Client& client, size_t sockets, std::chrono::milliseconds time);

// Sends from one socket as fast as it can, 64 datagrams of 64 bytes a call; `done` are those that came to `responder`.
Result<Outcome> burst_load(const Client& client, const Responder& responder, std::chrono::milliseconds time);

// So many connections, each of which has been answered once.
Result<std::vector<Fd>> hold_connections(const Client& client, size_t number);

}  // namespace hairpin::bench
