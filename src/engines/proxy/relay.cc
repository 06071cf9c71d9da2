#include "engines/proxy/relay.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace hairpin::proxy {
namespace {

constexpr int rounds_a_turn = 16;
constexpr int pipe_size = 512 * 1024;
constexpr int least_pipe_size = 64 * 1024;
// An unprivileged user may have 64 MiB in pipes (pipe-user-pages-soft); beyond that a pipe holds a page or two.
constexpr size_t most_pipes = 48;
constexpr size_t small_piece = 16384;
constexpr int small_pieces_end_bulk = 8;

std::unique_ptr<Pipe> make_pipe() {
    int ends[2];
    if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0) return nullptr;
    auto pipe = std::make_unique<Pipe>(Pipe{Fd(ends[0]), Fd(ends[1])});
    int size = fcntl(pipe->in.get(), F_SETPIPE_SZ, pipe_size);
    if (size < 0) size = fcntl(pipe->in.get(), F_GETPIPE_SZ);
    return size >= least_pipe_size ? std::move(pipe) : nullptr;
}

}  // namespace

void Side::note(uint32_t events) {
    if (events & (EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) readable = true;
    if (events & EPOLLOUT) writable = true;
    if ((events & EPOLLRDHUP) && !(events & (EPOLLHUP | EPOLLERR))) fin_seen = true;
    if (events & (EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) drain = true;
}

void Side::broke(int error_number) {
    if (error_number != EPIPE) reset = true;
}

Relay::Relay() : buffer_(std::make_unique_for_overwrite<char[]>(buffer_size)) {}

Moved Relay::move(Direction& direction, Side& from, Side& to, Counter& bytes) {
    for (int round = 0; round < rounds_a_turn; ++round) {
        switch (flush(direction, to)) {
            case Step::wait:
                return Moved::waiting;
            case Step::failed:
                return Moved::to_failed;
            case Step::done:
                break;
        }
        if (from.ended) {
            if (!to.finished) shutdown(to.fd, SHUT_WR);
            to.finished = true;
            drop(direction);
            return Moved::ended;
        }
        if (!from.readable) {
            return_pipe(direction);
            return Moved::waiting;
        }
        if (!to.writable) return Moved::waiting;

        bool to_failed = false;
        const Step step = direction.bulk && take_pipe(direction) ? fill_pipe(direction, from, bytes)
                                                                 : copy(direction, from, to, bytes, to_failed);
        if (step == Step::failed) return to_failed ? Moved::to_failed : Moved::from_failed;
    }
    return Moved::more;
}

Relay::Step Relay::flush(Direction& direction, Side& to) {
    while (!direction.empty()) {
        if (!to.writable) return Step::wait;
        const ssize_t sent = direction.held
                                 ? send(to.fd, direction.held.get() + direction.held_begin,
                                        direction.held_end - direction.held_begin, MSG_NOSIGNAL | MSG_DONTWAIT)
                                 : splice(direction.pipe->out.get(), nullptr, to.fd, nullptr, direction.in_pipe,
                                          SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        if (sent < 0) {
            if (errno == EINTR) continue;
            if (errno != EAGAIN) {
                // A splice that moves some bytes and then meets the reset says nothing of it, and takes the error away.
                const bool swallowed = !direction.held && errno == EPIPE && !to.fin_seen;
                to.broke(swallowed ? ECONNRESET : errno);
                return Step::failed;
            }
            to.writable = false;
        } else if (direction.held) {
            direction.held_begin += static_cast<uint32_t>(sent);
            if (direction.held_begin == direction.held_end) direction.held.reset();
        } else {
            direction.in_pipe -= static_cast<uint32_t>(sent);
        }
    }
    return Step::done;
}

// What a call that read nothing says of the socket by its errno.
Relay::Step Relay::nothing_read(Side& from, int error_number) {
    if (error_number == EINTR) return Step::done;
    if (error_number == EAGAIN) {
        from.readable = false;
        return Step::done;
    }
    from.broke(error_number);
    return Step::failed;
}

Relay::Step Relay::copy(Direction& direction, Side& from, Side& to, Counter& bytes, bool& to_failed) {
    const ssize_t received = recv(from.fd, buffer_.get(), buffer_size, MSG_DONTWAIT);
    if (received < 0) return nothing_read(from, errno);
    if (received == 0) {
        if (from.reset) return Step::failed;
        from.ended = true;
        return Step::done;
    }
    const auto size = static_cast<size_t>(received);
    bytes.add(size);
    direction.bytes += size;
    if (size == buffer_size) {
        direction.bulk = true;
    } else if (!from.drain) {
        from.readable = false;
    }
    ssize_t sent = send(to.fd, buffer_.get(), size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) {
        if (errno != EAGAIN && errno != EINTR) {
            to.broke(errno);
            to_failed = true;
            return Step::failed;
        }
        sent = 0;
    }
    const size_t rest = size - static_cast<size_t>(sent);
    if (rest > 0) {
        direction.held = std::make_unique_for_overwrite<char[]>(rest);
        memcpy(direction.held.get(), buffer_.get() + sent, rest);
        direction.held_begin = 0;
        direction.held_end = static_cast<uint32_t>(rest);
    }
    return Step::done;
}

// Precondition: the pipe is empty, so that EAGAIN can only mean an empty socket.
Relay::Step Relay::fill_pipe(Direction& direction, Side& from, Counter& bytes) {
    const ssize_t moved =
        splice(from.fd, nullptr, direction.pipe->in.get(), nullptr, pipe_size, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (moved < 0) return nothing_read(from, errno);
    if (moved == 0) {
        // The end of the stream, or urgent data, past which splice does not go. A receive tells them apart.
        direction.bulk = false;
        return_pipe(direction);
        return Step::done;
    }
    direction.in_pipe = static_cast<uint32_t>(moved);
    bytes.add(direction.in_pipe);
    direction.bytes += direction.in_pipe;
    if (direction.in_pipe >= small_piece) {
        direction.small_pieces = 0;
    } else if (++direction.small_pieces == small_pieces_end_bulk) {
        direction.small_pieces = 0;
        direction.bulk = false;
    }
    return Step::done;
}

bool Relay::take_pipe(Direction& direction) {
    if (direction.pipe) return true;
    if (!pipes_.empty()) {
        direction.pipe = std::move(pipes_.back());
        pipes_.pop_back();
    } else if (pipes_in_use_ < most_pipes) {
        direction.pipe = make_pipe();
    }
    if (!direction.pipe) {
        direction.bulk = false;  // the next full buffer tries again
        return false;
    }
    ++pipes_in_use_;
    return true;
}

void Relay::return_pipe(Direction& direction) {
    if (!direction.pipe) return;
    --pipes_in_use_;
    if (direction.in_pipe == 0) pipes_.push_back(std::move(direction.pipe));
    direction.pipe.reset();
    direction.in_pipe = 0;
}

void Relay::drop(Direction& direction) {
    direction.held.reset();
    return_pipe(direction);
}

}  // namespace hairpin::proxy
