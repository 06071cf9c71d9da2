// Blocking sockets in few words. Waiting ends after twenty seconds with EAGAIN, so a fact that fails does not hang.
#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <thread>

#include "base/fd.h"
#include "net/sockaddr.h"

namespace hairpin {

inline constexpr int deadline_ms = 20'000;  // for what should take milliseconds

inline Endpoint at(std::string_view text) {
    // Port 0, which stands for any here, is none that a configuration could name.
    if (!text.ends_with(":0")) return Endpoint::parse(text).value();
    Endpoint any = Endpoint::parse(std::string(text.substr(0, text.size() - 1)) + "1").value();
    any.port = 0;
    return any;
}

inline Fd open_socket(int type, const Ip& ip) {
    Fd fd(socket(address_family(ip), type | SOCK_CLOEXEC, 0));
    const timeval patience{deadline_ms / 1000, 0};
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

inline void set(const Fd& fd, int level, int option, int value) {
    ASSERT_EQ(setsockopt(fd.get(), level, option, &value, sizeof value), 0) << std::strerror(errno);
}

inline int get(const Fd& fd, int level, int option) {
    int value = -1;
    socklen_t size = sizeof value;
    EXPECT_EQ(getsockopt(fd.get(), level, option, &value, &size), 0) << std::strerror(errno);
    return value;
}

// Both return 0, or the errno they failed with.
inline int try_bind(const Fd& fd, const Endpoint& endpoint) {
    const SockAddr address(endpoint);
    return bind(fd.get(), address.get(), address.size()) < 0 ? errno : 0;
}
inline int try_connect(const Fd& fd, const Endpoint& endpoint) {
    const SockAddr address(endpoint);
    return connect(fd.get(), address.get(), address.size()) < 0 ? errno : 0;
}

inline Fd bound(int type, std::string_view endpoint) {
    Fd fd = open_socket(type, at(endpoint).ip);
    EXPECT_EQ(try_bind(fd, at(endpoint)), 0) << endpoint;
    return fd;
}
inline Fd listening(std::string_view endpoint) {
    Fd fd = bound(SOCK_STREAM, endpoint);
    EXPECT_EQ(listen(fd.get(), 128), 0);
    return fd;
}
inline Fd connected(int type, const Endpoint& to) {
    Fd fd = open_socket(type, to.ip);
    EXPECT_EQ(try_connect(fd, to), 0) << to.str();
    return fd;
}
inline Fd accepted(const Fd& listener) {
    Fd fd(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    EXPECT_TRUE(fd) << std::strerror(errno);
    const timeval patience{deadline_ms / 1000, 0};
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

inline Endpoint local(const Fd& fd) {
    SockAddr address;
    socklen_t size = SockAddr::capacity();
    EXPECT_EQ(getsockname(fd.get(), address.get(), &size), 0);
    return address.endpoint();
}
inline Endpoint remote(const Fd& fd) {
    SockAddr address;
    socklen_t size = SockAddr::capacity();
    EXPECT_EQ(getpeername(fd.get(), address.get(), &size), 0);
    return address.endpoint();
}

inline void send_all(const Fd& fd, std::string_view bytes) {
    ASSERT_EQ(send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
}
inline std::string receive(const Fd& fd) {
    char bytes[256];
    const ssize_t n = recv(fd.get(), bytes, sizeof bytes, 0);
    return n < 0 ? "error: " + std::string(std::strerror(errno)) : std::string(bytes, static_cast<size_t>(n));
}

// The events that poll() reports first, or none by the deadline.
inline short wait_for(const Fd& fd, short events) {
    pollfd p{fd.get(), events, 0};
    return poll(&p, 1, deadline_ms) == 1 ? p.revents : short{0};
}

// Whether the condition holds by the deadline.
inline bool eventually(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(deadline_ms);
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(2));  // between two looks
    }
    return true;
}

struct TcpPair {
    Fd client;
    Fd server;
};
inline TcpPair tcp_pair() {
    const Fd listener = listening("127.0.0.1:0");
    Fd client = connected(SOCK_STREAM, local(listener));
    return {std::move(client), accepted(listener)};
}

}  // namespace hairpin
