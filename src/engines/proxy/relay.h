// Moves the bytes of one direction between two sockets: the seam behind which all stream I/O happens.
//
// Theory of operation. Small messages are received into one buffer that all sessions of a worker share and sent on at
// once. A receive that fills the buffer announces bulk: from then on that direction is spliced through a pooled pipe,
// in the kernel, until several small pieces in a row show that the bulk is over. A direction owns memory only while its
// reader is slower than its writer: the unsent rest of one buffer, or one pipe. Nothing is read from one side before
// everything read earlier has been handed to the other, so a slow reader holds its writer back.
//
// Both sockets are watched edge-triggered. `Side` remembers what the edges said; a short receive means an empty socket
// and saves the call that would return EAGAIN, except where something other than data waits behind the data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/fd.h"
#include "engines/proxy/counters.h"

namespace hairpin::proxy {

// One socket of a session. The session owns the descriptor.
struct Side {
    int fd = -1;
    bool readable : 1 = false;
    bool writable : 1 = false;
    bool drain : 1 = false;     // read on after a short receive: an end, an error or urgent data waits behind it
    bool ended : 1 = false;     // its end of stream was read
    bool finished : 1 = false;  // we sent it ours
    bool fin_seen : 1 = false;  // its end of stream has arrived, in order, whether it was read or not
    bool reset : 1 = false;     // it broke before its end of stream: what reads like an end now is none

    void note(uint32_t epoll_events);
    // A call failed with this errno. The kernel tells of a reset once; every later receive looks like an orderly end.
    // EPIPE says only that the socket takes no more, which its peer may have told us in order.
    void broke(int error_number);
};

struct Pipe {
    Fd out;
    Fd in;
};

// The bytes between two sides: read from one, not yet taken by the other.
struct Direction {
    uint64_t bytes = 0;            // read so far
    std::unique_ptr<char[]> held;  // the rest of a copy
    uint32_t held_begin = 0;
    uint32_t held_end = 0;
    std::unique_ptr<Pipe> pipe;
    uint32_t in_pipe = 0;
    bool bulk = false;
    uint8_t small_pieces = 0;  // in a row, while in bulk

    bool empty() const { return !held && in_pipe == 0; }
};

enum class Moved {
    waiting,      // until an edge of either side
    more,         // there is more to do, but others should have their turn
    ended,        // everything, the end of stream included, was passed on
    from_failed,  // the sender's socket is broken
    to_failed,    // the receiver's socket is broken
};

// One a worker.
class Relay {
public:
    static constexpr size_t buffer_size = 65536;

    Relay();

    // Moves what can be moved now. `bytes` counts payload as it is read, as does Direction::bytes.
    Moved move(Direction& direction, Side& from, Side& to, Counter& bytes);

    // Gives a direction's memory back; what is in it is lost.
    void drop(Direction& direction);

    // The shared buffer, of buffer_size bytes, free for any use between calls of move().
    char* buffer() { return buffer_.get(); }

private:
    enum class Step { done, wait, failed };
    Step flush(Direction& direction, Side& to);
    static Step nothing_read(Side& from, int error_number);
    Step copy(Direction& direction, Side& from, Side& to, Counter& bytes, bool& to_failed);
    Step fill_pipe(Direction& direction, Side& from, Counter& bytes);
    bool take_pipe(Direction& direction);
    void return_pipe(Direction& direction);

    std::unique_ptr<char[]> buffer_;
    std::vector<std::unique_ptr<Pipe>> pipes_;  // idle and empty
    size_t pipes_in_use_ = 0;
};

}  // namespace hairpin::proxy
