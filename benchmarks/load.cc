#include "load.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <thread>

#include "net/socket.h"

namespace hairpin::bench {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr size_t connections_at_once = 64;
constexpr std::string_view request = "GET / HTTP/1.1\r\n\r\n";

double seconds_since(Clock::time_point began) { return std::chrono::duration<double>(Clock::now() - began).count(); }

// A non-blocking socket that is connected, or about to be.
Fd connect_from(Protocol protocol, const Endpoint& asked) {
    const SockAddr to(asked);
    Fd fd = open_socket(protocol, asked.ip.family());
    if (fd && connect(fd.get(), to.get(), to.size()) != 0 && errno != EINPROGRESS) fd.reset();
    return fd;
}

// The slots of connect_load: each has a connection under way, or none since it could not be opened.
class Connections {
public:
    Connections(const Endpoint& asked, Ending ending) : asked_(asked), ending_(ending) {}

    Outcome run(milliseconds time) {
        std::array<epoll_event, connections_at_once> events{};
        const auto began = Clock::now();
        while (Clock::now() < began + time) {
            for (size_t slot = 0; slot < slots_.size(); ++slot) open(slot);
            const int count = epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), 10);
            for (int i = 0; i < count; ++i) advance(events[static_cast<size_t>(i)]);
        }
        outcome_.seconds = seconds_since(began);
        return outcome_;
    }

private:
    void open(size_t slot) {
        if (slots_[slot]) return;
        Fd fd = connect_from(Protocol::tcp, asked_);
        if (!fd) {
            ++outcome_.failed;
            return;
        }
        epoll_event event{};
        event.events = EPOLLOUT;
        event.data.u64 = slot;
        epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd.get(), &event);
        slots_[slot] = std::move(fd);
    }

    void advance(epoll_event event) {
        Fd& fd = slots_[event.data.u64];
        if ((event.events & (EPOLLERR | EPOLLHUP)) != 0) {
            ++outcome_.failed;
            fd.reset();
        } else if ((event.events & EPOLLOUT) != 0) {
            send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL);
            event.events = EPOLLIN;
            epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd.get(), &event);
        } else {
            std::array<char, 256> response;
            ++(recv(fd.get(), response.data(), response.size(), 0) > 0 ? outcome_.done : outcome_.failed);
            if (ending_ == Ending::reset) reset_on_close(fd.get());
            fd.reset();
        }
    }

    const Endpoint asked_;
    const Ending ending_;
    const Fd epoll_{epoll_create1(EPOLL_CLOEXEC)};
    std::array<Fd, connections_at_once> slots_;
    Outcome outcome_;
};

bool answers(const Endpoint& asked, Protocol protocol) {
    const timeval second{1, 0};
    const SockAddr to(asked);
    const Fd fd(socket(AF_INET, (protocol == Protocol::tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0));
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &second, sizeof second);
    setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &second, sizeof second);
    char byte = 0;
    return connect(fd.get(), to.get(), to.size()) == 0 &&
           send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) > 0 && recv(fd.get(), &byte, 1, 0) == 1;
}

}  // namespace

bool wait_for_answer(const Client& client, bool udp, milliseconds timeout) {
    return client.host.run([&] {
        const auto deadline = Clock::now() + timeout;
        while (!answers(client.asked, Protocol::tcp) || (udp && !answers(client.asked, Protocol::udp))) {
            if (Clock::now() > deadline) return false;
            std::this_thread::sleep_for(milliseconds(1));  // between two attempts
        }
        return true;
    });
}

Result<Outcome> connect_load(const Client& client, Ending ending, milliseconds time) {
    const Outcome outcome = client.host.run([&] { return Connections(client.asked, ending).run(time); });
    if (outcome.done == 0) return Error{"no connection was answered"};
    return outcome;
}

Result<Outcome> datagram_load(const Client& client, size_t sockets, milliseconds time) {
    const Fd epoll(epoll_create1(EPOLL_CLOEXEC));
    std::vector<Fd> fds;
    const std::array<char, 64> question{'?'};
    for (size_t i = 0; i < sockets; ++i) {
        fds.push_back(client.host.run([&] { return connect_from(Protocol::udp, client.asked); }));
        if (!fds.back()) return system_error("a UDP socket");
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.fd = fds.back().get();
        epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fds.back().get(), &event);
    }
    const auto ask = [&](int fd) { send(fd, question.data(), question.size(), 0); };
    std::array<epoll_event, 64> events{};
    std::array<char, 256> answer;
    Outcome outcome;
    const auto began = Clock::now();
    for (const Fd& fd : fds) ask(fd.get());
    while (Clock::now() < began + time) {
        const int count = epoll_wait(epoll.get(), events.data(), static_cast<int>(events.size()), 100);
        for (int i = 0; i < count; ++i) {
            const int fd = events[static_cast<size_t>(i)].data.fd;
            if (recv(fd, answer.data(), answer.size(), 0) <= 0) continue;
            ++outcome.done;
            ask(fd);
        }
        if (count > 0) continue;
        outcome.failed += sockets;
        for (const Fd& fd : fds) ask(fd.get());
    }
    outcome.seconds = seconds_since(began);
    if (outcome.done == 0) return Error{"no datagram was answered"};
    return outcome;
}

Result<Outcome> burst_load(const Client& client, const Responder& responder, milliseconds time) {
    const Fd fd = client.host.run([&] { return connect_from(Protocol::udp, client.asked); });
    std::array<char, 64> bytes{one_way};
    iovec payload{bytes.data(), bytes.size()};
    std::array<mmsghdr, 64> burst{};
    for (mmsghdr& message : burst) {
        message.msg_hdr.msg_iov = &payload;
        message.msg_hdr.msg_iovlen = 1;
    }
    const uint64_t before = responder.datagrams();
    uint64_t sent = 0;
    const auto began = Clock::now();
    while (Clock::now() < began + time) {
        const int now = sendmmsg(fd.get(), burst.data(), burst.size(), 0);
        if (now > 0) sent += static_cast<uint64_t>(now);
    }
    Outcome outcome;
    outcome.seconds = seconds_since(began);
    outcome.done = responder.datagrams() - before;
    outcome.failed = sent - std::min(sent, outcome.done);
    if (outcome.done == 0) return Error{"no datagram arrived"};
    return outcome;
}

Result<std::vector<Fd>> hold_connections(const Client& client, size_t number) {
    return client.host.run([&]() -> Result<std::vector<Fd>> {
        std::vector<Fd> held;
        held.reserve(number);
        const SockAddr to(client.asked);
        const timeval patience{5, 0};
        for (size_t i = 0; i < number; ++i) {
            char byte = 0;
            held.emplace_back(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
            const int fd = held.back().get();
            setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
            if (connect(fd, to.get(), to.size()) != 0 || send(fd, "?", 1, MSG_NOSIGNAL) != 1 ||
                recv(fd, &byte, 1, 0) != 1) {
                return system_error("connection " + std::to_string(i + 1));
            }
        }
        return held;
    });
}

}  // namespace hairpin::bench
