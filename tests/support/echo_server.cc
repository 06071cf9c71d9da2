#include "support/echo_server.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <unordered_map>
#include <utility>

#include "support/tcp.h"

namespace hairpin {
namespace {

void watch(const Fd& epoll, int fd) {
    epoll_event event{EPOLLIN, {.fd = fd}};
    epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event);
}

// Before the connection is closed: a process that is just being started holds it, too, so it would be told of on under
// its number, which by then is another connection's, be it a client's of this process.
void forget(const Fd& epoll, int fd) { epoll_ctl(epoll.get(), EPOLL_CTL_DEL, fd, nullptr); }

// False: the connection is over.
bool echo(int fd) {
    std::array<char, 4096> buffer;
    const ssize_t size = recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size < 0 && errno == EAGAIN) return true;
    return size > 0 && send(fd, buffer.data(), static_cast<size_t>(size), MSG_NOSIGNAL) == size;
}

}  // namespace

EchoServer::EchoServer(const lab::Host& host, const Endpoint& endpoint, std::string greeting)
    : listener_(listen_on(host, endpoint)),
      greeting_(std::move(greeting)),
      stop_(eventfd(0, EFD_CLOEXEC)),
      thread_(&EchoServer::loop, this) {}

EchoServer::~EchoServer() {
    eventfd_write(stop_.get(), 1);
    thread_.join();
}

void EchoServer::loop() {
    const Fd epoll(epoll_create1(EPOLL_CLOEXEC));
    watch(epoll, listener_.get());
    watch(epoll, stop_.get());
    std::unordered_map<int, Fd> connections;
    for (;;) {
        std::array<epoll_event, 64> events;
        const int count = epoll_wait(epoll.get(), events.data(), events.size(), -1);
        for (int i = 0; i < count; ++i) {
            const int fd = events[static_cast<size_t>(i)].data.fd;
            if (fd == stop_.get()) return;
            if (fd != listener_.get()) {
                if (echo(fd)) continue;
                forget(epoll, fd);
                connections.erase(fd);
            } else if (Fd client(accept4(fd, nullptr, nullptr, SOCK_CLOEXEC)); client) {
                ++accepted_;
                if (!greeting_.empty()) send_all(client, greeting_);
                watch(epoll, client.get());
                const int key = client.get();
                connections.emplace(key, std::move(client));
            }
        }
    }
}

}  // namespace hairpin
