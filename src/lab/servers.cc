#include "lab/servers.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <vector>

#include "lab/greeting.h"
#include "net/socket.h"

namespace hairpin::lab {
namespace {

constexpr size_t largest_datagram = 65507;
constexpr size_t enough_unsent = 262144;  // a client that does not read is not read from either

Endpoint remote_endpoint(int fd) {
    SockAddr address;
    socklen_t size = SockAddr::capacity();
    getpeername(fd, address.get(), &size);
    return address.endpoint();
}

// The greeting for a client seen at `source`, who began with `header`.
std::string greeting(const std::string& host, const ServerPlan& plan, const Endpoint& source, const Proxied& header) {
    Greeting greeting{host, {plan.protocol, source, plan.endpoint}, std::nullopt};
    if (header.version != ProxyHeader::none) greeting.header = header;
    return greeting.str() + "\n";
}

}  // namespace

Servers::Servers() : epoll_(epoll_create1(EPOLL_CLOEXEC)), stop_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    watch(stop_.get(), EPOLLIN);
}

Servers::~Servers() {
    eventfd_write(stop_.get(), 1);
    if (thread_.joinable()) thread_.join();
}

Result<> Servers::add(const Host& host, const std::string& host_name, const ServerPlan& server) {
    auto socket = host.run([&] { return open_listener(server.protocol, server.endpoint); });
    if (!socket) return socket.error().within(host_name);
    const int fd = socket->get();
    servers_.emplace(fd, Server{host_name, server, *std::move(socket)});
    watch(fd, EPOLLIN);
    return {};
}

void Servers::start() {
    thread_ = std::thread([this] { loop(); });
}

void Servers::watch(int fd, uint32_t events) const {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) != 0) epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
}

void Servers::loop() {
    std::array<epoll_event, 64> events{};
    for (;;) {
        const int count = epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), -1);
        for (int i = 0; i < count; ++i) {
            const int fd = events[static_cast<size_t>(i)].data.fd;
            if (fd == stop_.get()) return;
            if (const auto server = servers_.find(fd); server != servers_.end()) {
                if (server->second.plan.protocol == Protocol::tcp) {
                    accept_from(server->second);
                } else {
                    answer_datagrams(server->second);
                }
            } else if (const auto connection = connections_.find(fd); connection != connections_.end()) {
                serve(connection->second);
            }
        }
    }
}

void Servers::accept_from(const Server& server) {
    Fd socket(accept4(server.socket.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket) return;
    const int fd = socket.get();
    connections_.emplace(fd, Connection{&server, std::move(socket), {}, {}, false, false});
    watch(fd, EPOLLIN);
}

void Servers::serve(Connection& connection) {
    const int fd = connection.socket.get();
    if (!exchange(connection)) {
        connections_.erase(fd);
        return;
    }
    const bool wants_more = !connection.ended && connection.out.size() < enough_unsent;
    watch(fd, (wants_more ? EPOLLIN : 0u) | (connection.out.empty() ? 0u : EPOLLOUT));
}

bool Servers::exchange(Connection& connection) {
    const int fd = connection.socket.get();
    if (!connection.ended && connection.out.size() < enough_unsent) {
        std::array<char, 65536> buffer;
        const ssize_t size = recv(fd, buffer.data(), buffer.size(), 0);
        if (size < 0 && errno != EAGAIN) return false;
        connection.ended = size == 0;
        std::string& kept = connection.greeted ? connection.out : connection.in;
        if (size > 0) kept.append(buffer.data(), static_cast<size_t>(size));
        if (!connection.greeted) greet(connection);
    }
    if (!connection.out.empty()) {
        const ssize_t size = send(fd, connection.out.data(), connection.out.size(), MSG_NOSIGNAL);
        if (size < 0 && errno != EAGAIN) return false;
        if (size > 0) connection.out.erase(0, static_cast<size_t>(size));
    }
    return !connection.ended || !connection.out.empty();
}

void Servers::greet(Connection& connection) {
    if (connection.in.empty()) return;
    const auto header = read_proxy_header(connection.in);
    if (!header) {
        connection.out = connection.server->host + ": " + header.error().message + "\n";
        connection.ended = true;
        return;
    }
    if (!header->has_value()) return;
    connection.greeted = true;
    connection.out =
        greeting(connection.server->host, connection.server->plan, remote_endpoint(connection.socket.get()), **header);
    connection.out.append(connection.in, (*header)->size);
    connection.in.clear();
}

void Servers::answer_datagrams(const Server& server) const {
    std::vector<char> buffer(largest_datagram);
    SockAddr from;
    socklen_t length = SockAddr::capacity();
    const ssize_t size = recvfrom(server.socket.get(), buffer.data(), buffer.size(), 0, from.get(), &length);
    if (size < 0) return;
    const std::string_view datagram(buffer.data(), static_cast<size_t>(size));
    const auto header = read_proxy_header(datagram);
    std::string answer;
    if (!header) {
        answer = server.host + ": " + header.error().message + "\n";
    } else {
        const Proxied proxied = header->value_or(Proxied{});  // an incomplete one is payload
        const std::string_view payload = datagram.substr(proxied.size);
        answer = greeting(server.host, server.plan, from.endpoint(), proxied);
        if (answer.size() + payload.size() > largest_datagram) answer.clear();
        answer += payload;
    }
    sendto(server.socket.get(), answer.data(), answer.size(), MSG_NOSIGNAL, from.get(), from.size());
}

}  // namespace hairpin::lab
