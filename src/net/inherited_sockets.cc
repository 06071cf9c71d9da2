#include "net/inherited_sockets.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "net/socket.h"

namespace hairpin {
namespace {

constexpr size_t most_a_message = 253;  // SCM_MAX_FD

struct Message {
    alignas(cmsghdr) std::array<char, CMSG_SPACE(most_a_message * sizeof(int))> control{};
    char count = 0;  // a message must hold a byte; the last one has no descriptors
    iovec data{&count, 1};
    msghdr header{};

    Message() {
        header.msg_iov = &data;
        header.msg_iovlen = 1;
    }
    // The header points into this object.
    Message(const Message&) = delete;
    Message& operator=(const Message&) = delete;
};

Result<> send_some(int via, std::span<const int> sockets) {
    Message message;
    if (!sockets.empty()) {
        message.header.msg_control = message.control.data();
        message.header.msg_controllen = CMSG_SPACE(sockets.size_bytes());
        cmsghdr* rights = CMSG_FIRSTHDR(&message.header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sockets.size_bytes());
        std::memcpy(CMSG_DATA(rights), sockets.data(), sockets.size_bytes());
    }
    if (sendmsg(via, &message.header, MSG_NOSIGNAL) < 0) return system_error("handing sockets over");
    return {};
}

std::vector<Fd> received(const msghdr& header) {
    std::vector<Fd> sockets;
    const cmsghdr* rights = CMSG_FIRSTHDR(&header);
    if (!rights || rights->cmsg_level != SOL_SOCKET || rights->cmsg_type != SCM_RIGHTS) return sockets;
    const size_t count = (rights->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
        int fd = -1;
        std::memcpy(&fd, CMSG_DATA(rights) + i * sizeof(int), sizeof(int));
        sockets.emplace_back(fd);
    }
    return sockets;
}

}  // namespace

Result<> InheritedSockets::send(int via, std::span<const int> sockets) {
    for (; !sockets.empty(); sockets = sockets.subspan(std::min(sockets.size(), most_a_message))) {
        if (auto sent = send_some(via, sockets.first(std::min(sockets.size(), most_a_message))); !sent) return sent;
    }
    return send_some(via, {});
}

Result<InheritedSockets> InheritedSockets::receive(int via) {
    InheritedSockets all;
    for (;;) {
        Message message;
        message.header.msg_control = message.control.data();
        message.header.msg_controllen = message.control.size();
        const ssize_t size = recvmsg(via, &message.header, MSG_CMSG_CLOEXEC);
        if (size < 0) return system_error("taking sockets over");
        if (size == 0) return Error{"taking sockets over: who had them is gone"};
        std::vector<Fd> sockets = received(message.header);
        if (message.header.msg_flags & MSG_CTRUNC) return Error{"taking sockets over: no descriptors are left"};
        if (sockets.empty()) return all;
        for (Fd& socket : sockets) all.add(std::move(socket));
    }
}

void InheritedSockets::add(Fd socket) {
    int type = 0;
    socklen_t size = sizeof(type);
    getsockopt(socket.get(), SOL_SOCKET, SO_TYPE, &type, &size);
    sockaddr_un path{};
    size = sizeof(path);
    getsockname(socket.get(), reinterpret_cast<sockaddr*>(&path), &size);
    if (path.sun_family == AF_UNIX) {
        unix_.insert_or_assign(path.sun_path, std::move(socket));
    } else {
        const Protocol protocol = type == SOCK_STREAM ? Protocol::tcp : Protocol::udp;
        const Endpoint endpoint = local_endpoint(socket.get());
        bound_.emplace(std::pair(protocol, endpoint), std::move(socket));
    }
}

std::optional<Fd> InheritedSockets::take(Protocol protocol, const Endpoint& endpoint) {
    auto socket = bound_.extract({protocol, endpoint});
    if (socket.empty()) return std::nullopt;
    return std::move(socket.mapped());
}

std::optional<Fd> InheritedSockets::take(const std::string& path) {
    auto socket = unix_.extract(path);
    if (socket.empty()) return std::nullopt;
    return std::move(socket.mapped());
}

void InheritedSockets::close() { *this = {}; }

}  // namespace hairpin
