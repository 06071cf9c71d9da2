#include "traffic.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <fstream>
#include <sstream>
#include <string>

#include "net/sockaddr.h"

namespace hairpin::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t datagrams = 12'000;
constexpr size_t datagrams_a_call = 60;
// Each is remembered for minutes, and on the hairpin path holds a port: all rounds together must leave some.
constexpr size_t connections = 200;
constexpr timeval patience{5, 0};

Fd open_in(const lab::Host& host, int type) {
    Fd fd(host.run([&] { return socket(AF_INET, type | SOCK_CLOEXEC, 0); }));
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

double per_second(size_t number, Clock::time_point began) {
    return static_cast<double>(number) / std::chrono::duration<double>(Clock::now() - began).count();
}

}  // namespace

Result<std::unique_ptr<Sink>> Sink::open(const lab::Host& host, const Endpoint& endpoint) {
    std::unique_ptr<Sink> sink(new Sink(host));
    const SockAddr at(endpoint);
    sink->tcp_ = open_in(host, SOCK_STREAM);
    sink->udp_ = open_in(host, SOCK_DGRAM);
    const int smallest = 1;
    setsockopt(sink->udp_.get(), SOL_SOCKET, SO_RCVBUF, &smallest, sizeof smallest);
    if (bind(sink->tcp_.get(), at.get(), at.size()) != 0 || listen(sink->tcp_.get(), SOMAXCONN) != 0 ||
        bind(sink->udp_.get(), at.get(), at.size()) != 0) {
        return system_error("the backend's sockets");
    }
    const timeval forever{};
    setsockopt(sink->tcp_.get(), SOL_SOCKET, SO_RCVTIMEO, &forever, sizeof forever);
    sink->acceptor_ = std::thread([listener = sink->tcp_.get()] {
        for (;;) {
            const Fd connection(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
            if (!connection && errno == EINVAL) return;  // shut down
        }
    });
    return sink;
}

Sink::~Sink() {
    if (!acceptor_.joinable()) return;
    shutdown(tcp_.get(), SHUT_RDWR);
    acceptor_.join();
}

void Sink::drop_datagrams() const {
    char byte = 0;
    while (recv(udp_.get(), &byte, 1, MSG_DONTWAIT) >= 0) {
    }
}

Result<> Sink::answer_datagram() const {
    char byte = 0;
    SockAddr from;
    socklen_t size = SockAddr::capacity();
    if (recvfrom(udp_.get(), &byte, 1, 0, from.get(), &size) < 0 ||
        sendto(udp_.get(), &byte, 1, 0, from.get(), size) != 1) {
        return system_error("no datagram came to the backend");
    }
    return {};
}

// proc(5): "eth0: BYTES PACKETS ..."
uint64_t Sink::packets() const {
    return host_.run([] {
        std::ifstream file("/proc/thread-self/net/dev");
        std::string line;
        while (std::getline(file, line) && line.find("eth0:") == line.npos) {
        }
        std::istringstream fields(line.substr(line.find(':') + 1));
        uint64_t bytes = 0;
        uint64_t packets = 0;
        fields >> bytes >> packets;
        return packets;
    });
}

Result<double> packets_per_second(const lab::Host& client, const Endpoint& asked, const Sink& sink) {
    const Fd fd = open_in(client, SOCK_DGRAM);
    const SockAddr to(asked);
    std::array<char, 64> bytes{};
    sink.drop_datagrams();
    if (connect(fd.get(), to.get(), to.size()) != 0 || send(fd.get(), "?", 1, 0) != 1) return system_error("UDP");
    if (auto answered = sink.answer_datagram(); !answered) return answered.error();
    if (recv(fd.get(), bytes.data(), bytes.size(), 0) != 1) return system_error("no answer to a datagram");

    iovec payload{bytes.data(), bytes.size()};
    std::array<mmsghdr, datagrams_a_call> batch{};
    for (mmsghdr& message : batch) {
        message.msg_hdr.msg_iov = &payload;
        message.msg_hdr.msg_iovlen = 1;
    }
    const uint64_t before = sink.packets();
    const auto began = Clock::now();
    for (size_t sent = 0; sent < datagrams;) {
        const int now = sendmmsg(fd.get(), batch.data(), batch.size(), 0);
        if (now <= 0) return system_error("sending datagrams");
        sent += static_cast<size_t>(now);
    }
    const double rate = per_second(datagrams, began);
    const uint64_t arrived = sink.packets() - before;
    if (arrived < datagrams * 99 / 100) {
        return Error{std::to_string(datagrams - arrived) + " of " + std::to_string(datagrams) + " datagrams were lost"};
    }
    return rate;
}

Result<double> connections_per_second(const lab::Host& client, const Endpoint& asked) {
    const SockAddr to(asked);
    const linger reset{1, 0};
    return client.run([&]() -> Result<double> {
        const auto began = Clock::now();
        for (size_t i = 0; i < connections; ++i) {
            const Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
            setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
            if (connect(fd.get(), to.get(), to.size()) != 0) return system_error("connecting to " + asked.str());
        }
        return per_second(connections, began);
    });
}

}  // namespace hairpin::bench
