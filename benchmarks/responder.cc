#include "responder.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <set>
#include <string_view>

#include "net/socket.h"

namespace hairpin::bench {
namespace {

constexpr std::string_view response = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
constexpr int datagram_buffer = 64 << 20;  // takes a burst that comes faster than it is read

}  // namespace

Result<std::unique_ptr<Responder>> Responder::open(const lab::Host& host, const Endpoint& endpoint) {
    std::unique_ptr<Responder> responder(new Responder);
    auto tcp = host.run([&] { return open_listener(Protocol::tcp, endpoint); });
    if (!tcp) return tcp.error();
    auto udp = host.run([&] { return open_listener(Protocol::udp, endpoint); });
    if (!udp) return udp.error();
    responder->tcp_ = *std::move(tcp);
    responder->udp_ = *std::move(udp);
    set_option(responder->udp_.get(), SOL_SOCKET, SO_RCVBUFFORCE, datagram_buffer);
    responder->stop_ = Fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    responder->epoll_ = Fd(epoll_create1(EPOLL_CLOEXEC));
    for (const Fd* fd : {&responder->tcp_, &responder->udp_, &responder->stop_}) responder->watch(fd->get());
    responder->thread_ = std::thread(&Responder::loop, responder.get());
    return responder;
}

Responder::~Responder() {
    eventfd_write(stop_.get(), 1);
    if (thread_.joinable()) thread_.join();
}

void Responder::watch(int fd) const {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
}

void Responder::loop() {
    std::array<epoll_event, 64> events{};
    std::set<int> connections;
    for (;;) {
        const int count = epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), -1);
        for (int i = 0; i < count; ++i) {
            const int fd = events[static_cast<size_t>(i)].data.fd;
            if (fd == stop_.get()) {
                for (const int open : connections) close(open);
                return;
            }
            if (fd == udp_.get()) {
                answer_datagrams();
            } else if (fd == tcp_.get()) {
                accept_all(connections);
            } else if (!answer(fd)) {
                // Not by close() alone: while another thread forks, its child holds the connection open, too, and the
                // descriptor may be another one's by the next event.
                epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
                connections.erase(fd);
                close(fd);
            }
        }
    }
}

void Responder::accept_all(std::set<int>& connections) const {
    for (;;) {
        const int fd = accept4(tcp_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) return;
        connections.insert(fd);
        watch(fd);
    }
}

bool Responder::answer(int fd) {
    std::array<char, 4096> request;
    const ssize_t size = recv(fd, request.data(), request.size(), 0);
    if (size < 0) return errno == EAGAIN;
    return size > 0 && send(fd, response.data(), response.size(), MSG_NOSIGNAL) == ssize_t{response.size()};
}

void Responder::answer_datagrams() {
    constexpr size_t most = 64;
    std::array<std::array<char, 2048>, most> payloads;
    std::array<SockAddr, most> clients;
    std::array<iovec, most> parts;
    std::array<mmsghdr, most> messages{};
    for (size_t i = 0; i < most; ++i) {
        parts[i] = {payloads[i].data(), payloads[i].size()};
        messages[i].msg_hdr = {clients[i].get(), SockAddr::capacity(), &parts[i], 1, nullptr, 0, 0};
    }
    const int received = recvmmsg(udp_.get(), messages.data(), most, MSG_DONTWAIT, nullptr);
    if (received <= 0) return;
    const auto count = static_cast<size_t>(received);
    datagrams_.fetch_add(count, std::memory_order_relaxed);
    size_t answers = 0;
    for (size_t i = 0; i < count; ++i) {
        if (payloads[i][0] == one_way) continue;
        parts[i].iov_len = messages[i].msg_len;
        messages[answers++] = messages[i];
    }
    if (answers > 0) sendmmsg(udp_.get(), messages.data(), static_cast<unsigned>(answers), 0);
}

}  // namespace hairpin::bench
