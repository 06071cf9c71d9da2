#include "support/numbered.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "net/sockaddr.h"
#include "net/socket.h"
#include "support/room.h"

namespace hairpin {
namespace {

struct Numbered {
    uint32_t sender;
    uint32_t number;
};

Fd udp_socket(const Endpoint& own, std::optional<Endpoint> peer = {}) {
    Fd fd = open_socket(Protocol::udp, own.ip.family());
    EXPECT_TRUE(make_room(fd.get(), 32 << 20)) << strerror(errno);
    const SockAddr from(own);
    EXPECT_EQ(bind(fd.get(), from.get(), from.size()), 0) << own.str() << ": " << strerror(errno);
    if (peer) {
        const SockAddr to(*peer);
        EXPECT_EQ(connect(fd.get(), to.get(), to.size()), 0) << peer->str() << ": " << strerror(errno);
    }
    return fd;
}

}  // namespace

NumberedSender::NumberedSender(const lab::Host& host, const Ip& own, const Endpoint& service, uint32_t id, Flows flows)
    : id_(id), thread_([this, &host, own, service, flows] { host.run([&] { loop(own, service, flows); }); }) {}

void NumberedSender::stop() {
    stopped_ = true;
    if (thread_.joinable()) thread_.join();
}

void NumberedSender::loop(const Ip& own, const Endpoint& service, Flows flows) {
    const Fd clock(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
    const itimerspec every_millisecond{{0, 1'000'000}, {0, 1'000'000}};
    EXPECT_EQ(timerfd_settime(clock.get(), 0, &every_millisecond, nullptr), 0);
    Fd socket = udp_socket({own, 0}, service);
    Numbered datagram{id_, 0};
    const auto hear = [&] {
        std::array<char, 64> echo;
        while (recv(socket.get(), echo.data(), echo.size(), MSG_DONTWAIT) > 0) ++answered_;
    };
    while (!stopped_) {
        uint64_t ticks = 0;
        EXPECT_EQ(read(clock.get(), &ticks, sizeof ticks), static_cast<ssize_t>(sizeof ticks));
        for (int i = 0; i < 2; ++i) {
            if (flows == Flows::many) socket = udp_socket({own, 0}, service);
            EXPECT_EQ(send(socket.get(), &datagram, sizeof datagram, 0), static_cast<ssize_t>(sizeof datagram))
                << strerror(errno);
            ++datagram.number;
            ++sent_;
        }
        if (flows == Flows::one) hear();
    }
    if (flows == Flows::one) {
        wait_for([&] {
            hear();
            return answered_ == sent_;
        });
    }
}

NumberedReceiver::NumberedReceiver(const lab::Host& host, const Endpoint& endpoint, size_t senders)
    : socket_(host.run([&] { return udp_socket(endpoint); })),
      stop_(eventfd(0, EFD_CLOEXEC)),
      seen_(senders, std::vector<bool>(1 << 20)),
      counts_(senders),
      thread_([this] { loop(); }) {}

NumberedReceiver::~NumberedReceiver() {
    const uint64_t one = 1;
    EXPECT_EQ(write(stop_.get(), &one, sizeof one), static_cast<ssize_t>(sizeof one));
    thread_.join();
}

void NumberedReceiver::loop() {
    for (;;) {
        pollfd events[] = {{socket_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
        poll(events, 2, -1);
        if (events[1].revents) return;
        Numbered datagram{};
        SockAddr from;
        socklen_t length = SockAddr::capacity();
        const ssize_t size = recvfrom(socket_.get(), &datagram, sizeof datagram, 0, from.get(), &length);
        if (size != static_cast<ssize_t>(sizeof datagram)) continue;
        auto seen = seen_.at(datagram.sender).at(datagram.number);
        if (!seen) ++counts_[datagram.sender];
        seen = true;
        sendto(socket_.get(), &datagram, sizeof datagram, 0, from.get(), from.size());
    }
}

}  // namespace hairpin
