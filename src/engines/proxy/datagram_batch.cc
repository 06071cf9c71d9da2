#include "engines/proxy/datagram_batch.h"

#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "net/socket.h"

namespace hairpin::proxy {
namespace {

template <class Info>
void put_control(msghdr& message, int level, int type, const Info& info) {
    message.msg_controllen = CMSG_SPACE(sizeof(info));
    cmsghdr* control = CMSG_FIRSTHDR(&message);
    control->cmsg_level = level;
    control->cmsg_type = type;
    control->cmsg_len = CMSG_LEN(sizeof(info));
    memcpy(CMSG_DATA(control), &info, sizeof(info));
}

// Has the kernel send the message from this address of ours. `message.msg_control` has room for it.
void send_from(msghdr& message, const Ip& from) {
    if (from.is_v4()) {
        in_pktinfo info{};
        std::ranges::copy(from.network_bytes(), reinterpret_cast<uint8_t*>(&info.ipi_spec_dst));
        put_control(message, IPPROTO_IP, IP_PKTINFO, info);
    } else {
        in6_pktinfo info{};
        std::ranges::copy(from.network_bytes(), reinterpret_cast<uint8_t*>(&info.ipi6_addr));
        put_control(message, IPPROTO_IPV6, IPV6_PKTINFO, info);
    }
}

}  // namespace

DatagramBatch::DatagramBatch() : bytes_(std::make_unique_for_overwrite<std::array<uint8_t, datagram_size>[]>(most)) {}

size_t DatagramBatch::receive(int fd) {
    for (size_t i = 0; i < most; ++i) {
        payloads_[i] = {bytes_[i].data(), datagram_size};
        in_[i].msg_hdr = {.msg_name = sources_[i].get(),
                          .msg_namelen = SockAddr::capacity(),
                          .msg_iov = &payloads_[i],
                          .msg_iovlen = 1,
                          .msg_control = &controls_[i],
                          .msg_controllen = control_size,
                          .msg_flags = 0};
    }
    const int count = recvmmsg(fd, in_.data(), most, MSG_DONTWAIT, nullptr);
    receive_error_ = count >= 0 || errno == EAGAIN || errno == EINTR ? 0 : errno;
    for (int i = 0; i < count; ++i) {
        const auto index = static_cast<size_t>(i);
        payloads_[index].iov_len = in_[index].msg_len;
    }
    return static_cast<size_t>(std::max(count, 0));
}

std::span<const uint8_t> DatagramBatch::payload(size_t i) const {
    return {static_cast<const uint8_t*>(payloads_[i].iov_base), payloads_[i].iov_len};
}

void DatagramBatch::skip(size_t i, size_t bytes) {
    payloads_[i].iov_base = static_cast<uint8_t*>(payloads_[i].iov_base) + bytes;
    payloads_[i].iov_len -= bytes;
}

std::optional<Ip> DatagramBatch::destination(size_t i) const {
    const msghdr& message = in_[i].msg_hdr;
    for (cmsghdr* control = CMSG_FIRSTHDR(&message); control;
         control = CMSG_NXTHDR(const_cast<msghdr*>(&message), control)) {
        if (control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_PKTINFO) {
            in_pktinfo info;
            memcpy(&info, CMSG_DATA(control), sizeof(info));
            return Ip::v4(ntohl(info.ipi_addr.s_addr));
        }
        if (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_PKTINFO) {
            in6_pktinfo info;
            memcpy(&info, CMSG_DATA(control), sizeof(info));
            return Ip::from_network(std::span<const uint8_t, 16>(info.ipi6_addr.s6_addr, 16));
        }
    }
    return std::nullopt;
}

DatagramBatch::Sent DatagramBatch::send(size_t first, size_t last, const Route& route) {
    for (size_t i = first; i < last; ++i) {
        out_parts_[i] = {iovec{const_cast<uint8_t*>(route.header.data()), route.header.size()}, payloads_[i]};
        msghdr& message = out_[i].msg_hdr;
        message = {};
        message.msg_iov = out_parts_[i].data();
        message.msg_iovlen = out_parts_[i].size();
        if (route.to) {
            message.msg_name = const_cast<sockaddr*>(route.to->get());
            message.msg_namelen = route.to->size();
        }
        if (route.from) {
            message.msg_control = &controls_[i];
            message.msg_controllen = control_size;
            send_from(message, *route.from);
        }
    }
    Sent sent;
    bool retried = false;
    for (size_t i = first; i < last;) {
        const int count = sendmmsg(route.fd, &out_[i], static_cast<unsigned>(last - i), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count > 0) {
            for (int k = 0; k < count; ++k) sent.bytes += payloads_[i++].iov_len;
            retried = false;
            continue;
        }
        if (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM) {
            sent.no_room += last - i;
            break;
        }
        if (errno == EMSGSIZE) {
            ++sent.oversize;
            ++i;
            continue;
        }
        // Most often an ICMP error about an earlier datagram: this one was not sent, and has a second try.
        if (std::exchange(retried, !retried)) {
            ++i;
        } else {
            ++sent.errors;
            sent.last_error = errno;
        }
    }
    return sent;
}

void tell_destinations(int fd, Family family) {
    if (family == Family::v4)
        set_option(fd, IPPROTO_IP, IP_PKTINFO);
    else
        set_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO);
}

}  // namespace hairpin::proxy
