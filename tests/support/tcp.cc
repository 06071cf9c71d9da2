#include "support/tcp.h"

#include <gtest/gtest.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "net/sockaddr.h"

namespace hairpin {
namespace {

void limit_patience(const Fd& socket) {
    const timeval limit{std::chrono::duration_cast<std::chrono::seconds>(patience).count(), 0};
    setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);  // accept() too
    setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);  // connect() too
}

Fd open_on(const lab::Host& host, const Ip& ip) {
    Fd fd(host.run([&] { return socket(address_family(ip), SOCK_STREAM | SOCK_CLOEXEC, 0); }));
    const int on = 1;
    setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    limit_patience(fd);
    return fd;
}

size_t entries_of(const std::string& folder) {
    const std::filesystem::directory_iterator entries(folder);
    return static_cast<size_t>(std::distance(begin(entries), end(entries)));
}

// An ioctl on a link, from within the host.
void configure(const lab::Host& host, const std::string& link, unsigned long request, ifreq& what) {
    link.copy(what.ifr_name, IFNAMSIZ - 1);
    const int status = host.run([&] {
        const Fd any(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        return ioctl(any.get(), request, &what) == 0 ? 0 : errno;
    });
    EXPECT_EQ(status, 0) << link << ": " << strerror(status);
}

bool says(const Fd& from, const Fd& to, std::string_view words) {
    return send_all(from, words) && receive(to, words.size()) == words;
}

}  // namespace

Fd listen_on(const lab::Host& host, const Endpoint& endpoint, int backlog) {
    Fd fd = open_on(host, endpoint.ip);
    const SockAddr address(endpoint);
    EXPECT_EQ(bind(fd.get(), address.get(), address.size()), 0) << endpoint.str() << ": " << strerror(errno);
    EXPECT_EQ(listen(fd.get(), backlog), 0);
    return fd;
}

Fd accept_from(const Fd& listener) {
    Fd fd(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    limit_patience(fd);
    return fd;
}

Fd dial(const lab::Host& host, const Endpoint& to) {
    Fd fd = open_on(host, to.ip);
    const SockAddr address(to);
    return connect(fd.get(), address.get(), address.size()) == 0 ? std::move(fd) : Fd();
}

bool is_readable(const Fd& socket, std::chrono::milliseconds timeout) {
    pollfd ready{socket.get(), POLLIN, 0};
    return poll(&ready, 1, static_cast<int>(timeout.count())) == 1;
}

bool send_all(const Fd& to, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t sent = send(to.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent < 0) return false;
        bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
}

std::string receive(const Fd& from, size_t size) {
    std::string bytes(size, '\0');
    size_t had = 0;
    while (had < size) {  // with MSG_WAITALL our patience would be for all of it, however much it is
        const ssize_t received = recv(from.get(), bytes.data() + had, size - had, 0);
        if (received <= 0) break;
        had += static_cast<size_t>(received);
    }
    bytes.resize(had);
    return bytes;
}

Ending receive_to_end(const Fd& from) {
    Ending ending;
    std::vector<char> piece(size_t{256} * 1024);
    for (;;) {
        const ssize_t received = recv(from.get(), piece.data(), piece.size(), 0);
        if (received < 0) ending.error = errno;
        if (received <= 0) return ending;
        ending.bytes.append(piece.data(), static_cast<size_t>(received));
    }
}

void finish(const Fd& socket) { shutdown(socket.get(), SHUT_WR); }

void reset(Fd socket) {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    socket.reset();
}

void wait_until_sent(const Fd& socket) {
    EXPECT_TRUE(wait_for([&] {
        int unsent = 0;
        return ioctl(socket.get(), SIOCOUTQ, &unsent) == 0 && unsent == 0;
    }));
}

bool Conversation::alive() const { return says(client, backend, "question") && says(backend, client, "answer"); }

Meeting meet(const lab::Host& host, const Endpoint& to, const std::vector<const Fd*>& backends) {
    return meet(dial(host, to), backends);
}

Meeting meet(Fd client, const std::vector<const Fd*>& backends) {
    if (!client) return {std::nullopt, errno};
    std::vector<pollfd> ready = {{client.get(), POLLIN, 0}};
    for (const Fd* backend : backends) ready.push_back({backend->get(), POLLIN, 0});
    if (poll(ready.data(), ready.size(), static_cast<int>(patience.count())) <= 0) return {std::nullopt, ETIMEDOUT};
    for (size_t i = 0; i < backends.size(); ++i) {
        if (ready[i + 1].revents) return {Conversation{std::move(client), accept_from(*backends[i])}, 0};
    }
    return {std::nullopt, receive_to_end(client).error};
}

size_t descriptors_of(pid_t pid) { return entries_of("/proc/" + std::to_string(pid) + "/fd"); }

size_t threads_of(pid_t pid) { return entries_of("/proc/" + std::to_string(pid) + "/task"); }

size_t resident_bytes_of(pid_t pid) {
    std::ifstream statm("/proc/" + std::to_string(pid) + "/statm");
    size_t total_pages = 0;
    size_t resident_pages = 0;
    statm >> total_pages >> resident_pages;
    return resident_pages * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

std::chrono::milliseconds processor_time_of(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string stat;
    std::getline(file, stat);
    std::istringstream fields(stat.substr(stat.rfind(')') + 2));
    for (int skipped = 0; skipped < 11; ++skipped) fields >> stat;
    int64_t user = 0;
    int64_t system = 0;
    fields >> user >> system;
    return std::chrono::milliseconds((user + system) * 1000 / sysconf(_SC_CLK_TCK));
}

void cut(const lab::Host& host, const std::string& link) {
    ifreq what{};
    what.ifr_flags = 0;
    configure(host, link, SIOCSIFFLAGS, what);
}

void gain_address(const lab::Host& host, const Ip& address) {
    ifreq what{};
    const SockAddr own(Endpoint{address, 0});
    memcpy(&what.ifr_addr, own.get(), sizeof what.ifr_addr);
    configure(host, "lo:1", SIOCSIFADDR, what);
}

}  // namespace hairpin
