#include "support/udp.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <ostream>
#include <sstream>

#include "net/sockaddr.h"
#include "net/socket.h"
#include "support/room.h"

namespace hairpin {

void PrintTo(const Datagram& datagram, std::ostream* out) {
    constexpr size_t enough = 48;
    *out << datagram.payload.size() << " bytes from " << datagram.from.str() << ": "
         << testing::PrintToString(datagram.payload.substr(0, enough));
}

Endpoint at(std::string_view endpoint) {
    if (const auto ip = Ip::parse(endpoint)) return {*ip, 0};
    return *Endpoint::parse(endpoint);
}

UdpSocket::UdpSocket(const lab::Host& host, const Endpoint& local)
    : fd_(host.run([&] { return open_socket(Protocol::udp, local.ip.family()); })) {
    const SockAddr address(local);
    EXPECT_EQ(bind(fd_.get(), address.get(), address.size()), 0) << local.str() << ": " << strerror(errno);
    // For bursts: the kernel counts a page for each frame that a program in the driver has seen.
    EXPECT_TRUE(make_room(fd_.get(), 8 << 20)) << strerror(errno);
    local_ = local_endpoint(fd_.get());
}

void UdpSocket::send(const Endpoint& to, std::string_view payload) const {
    const SockAddr address(to);
    EXPECT_EQ(sendto(fd_.get(), payload.data(), payload.size(), 0, address.get(), address.size()),
              static_cast<ssize_t>(payload.size()))
        << local_.str() << " to " << to.str() << ": " << strerror(errno);
}

std::optional<Datagram> UdpSocket::receive(std::chrono::milliseconds timeout) const {
    pollfd ready{fd_.get(), POLLIN, 0};
    if (poll(&ready, 1, static_cast<int>(timeout.count())) != 1) return std::nullopt;
    std::array<char, 65536> buffer;
    SockAddr from;
    socklen_t length = SockAddr::capacity();
    const ssize_t size = recvfrom(fd_.get(), buffer.data(), buffer.size(), 0, from.get(), &length);
    if (size < 0) return std::nullopt;
    return Datagram{from.endpoint(), std::string(buffer.data(), static_cast<size_t>(size))};
}

Endpoint exchange(const UdpSocket& client, const Endpoint& service, const UdpSocket& backend,
                  std::string_view question) {
    client.send(service, question);
    const auto asked = backend.receive();
    if (!asked) {
        ADD_FAILURE() << backend.local().str() << " got nothing of what " << client.local().str() << " sent";
        return {};
    }
    EXPECT_EQ(*asked, (Datagram{asked->from, std::string(question)}));
    const std::string answer(question.rbegin(), question.rend());
    backend.send(asked->from, answer);
    EXPECT_EQ(client.receive(), (Datagram{service, answer}));
    return asked->from;
}

const lab::Host& host_with(const TestLab& lab, const Endpoint& endpoint) {
    for (const lab::HostPlan& host : lab->plan().hosts) {
        if (host.holds(endpoint.ip)) return lab->host(host.name);
    }
    ADD_FAILURE() << "no host has " << endpoint.str();
    return lab->host("gateway");
}

uint64_t kernel_counter(const lab::Host& host, const std::string& group, const std::string& name) {
    // The thread's own: /proc/net is that of the process's first thread.
    const bool v6 = group.ends_with('6');
    const std::string text = host.run([&] {
        std::ostringstream all;
        const std::string folder = "/proc/thread-self/net/";
        if (v6) {
            all << std::ifstream(folder + "snmp6").rdbuf();
        } else {
            all << std::ifstream(folder + "snmp").rdbuf() << std::ifstream(folder + "netstat").rdbuf();
        }
        return all.str();
    });
    std::istringstream lines(text);
    if (v6) {
        uint64_t value = 0;
        for (std::string key; lines >> key >> value;) {
            if (key == group + name) return value;
        }
    }
    for (std::string names, values; std::getline(lines, names) && std::getline(lines, values);) {
        if (!names.starts_with(group + ":")) continue;
        std::istringstream each_name(names), each_value(values);
        for (std::string key, value; each_name >> key && each_value >> value;) {
            if (key == name) return std::stoull(value);
        }
    }
    ADD_FAILURE() << "no counter " << group << " " << name;
    return 0;
}

void expect_all(const UdpSocket& receiver, const Endpoint& from, std::vector<std::string> all, bool in_order) {
    std::vector<std::string> came;
    while (came.size() < all.size()) {
        const auto datagram = receiver.receive();
        ASSERT_TRUE(datagram) << came.size() << " of " << all.size() << " came";
        EXPECT_EQ(datagram->from.str(), from.str());
        came.push_back(datagram->payload);
    }
    if (!in_order) {
        std::ranges::sort(came);
        std::ranges::sort(all);
    }
    for (size_t i = 0; i < all.size(); ++i) {
        ASSERT_EQ((Datagram{from, came[i]}), (Datagram{from, all[i]})) << i << " of " << all.size();
    }
}

}  // namespace hairpin
