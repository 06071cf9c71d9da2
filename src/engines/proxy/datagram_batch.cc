#include "engines/proxy/datagram_batch.h"

#include <netinet/in.h>
#include <netinet/udp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "net/socket.h"

namespace hairpin::proxy {
namespace {

// `message.msg_control` has room for it.
template <class Info>
void add_control(msghdr& message, int level, int type, const Info& info) {
    auto* control = reinterpret_cast<cmsghdr*>(static_cast<char*>(message.msg_control) + message.msg_controllen);
    control->cmsg_level = level;
    control->cmsg_type = type;
    control->cmsg_len = CMSG_LEN(sizeof(info));
    memcpy(CMSG_DATA(control), &info, sizeof(info));
    message.msg_controllen += CMSG_SPACE(sizeof(info));
}

template <class Info>
std::optional<Info> find_control(const msghdr& message, int level, int type) {
    for (cmsghdr* control = CMSG_FIRSTHDR(&message); control;
         control = CMSG_NXTHDR(const_cast<msghdr*>(&message), control)) {
        if (control->cmsg_level != level || control->cmsg_type != type) continue;
        Info info;
        memcpy(&info, CMSG_DATA(control), sizeof(info));
        return info;
    }
    return std::nullopt;
}

// recvmmsg(), or what costs less than that where one message is wanted.
int receive_some(int fd, std::span<mmsghdr> messages) {
    if (messages.size() > 1) {
        return recvmmsg(fd, messages.data(), static_cast<unsigned>(messages.size()), MSG_DONTWAIT, nullptr);
    }
    const ssize_t size = recvmsg(fd, &messages[0].msg_hdr, MSG_DONTWAIT);
    if (size < 0) return -1;
    messages[0].msg_len = static_cast<unsigned>(size);
    return 1;
}

// Has the kernel send the message from this address of ours.
void send_from(msghdr& message, const Ip& from) {
    if (from.is_v4()) {
        in_pktinfo info{};
        std::ranges::copy(from.network_bytes(), reinterpret_cast<uint8_t*>(&info.ipi_spec_dst));
        add_control(message, IPPROTO_IP, IP_PKTINFO, info);
    } else {
        in6_pktinfo info{};
        std::ranges::copy(from.network_bytes(), reinterpret_cast<uint8_t*>(&info.ipi6_addr));
        add_control(message, IPPROTO_IPV6, IPV6_PKTINFO, info);
    }
}

// The kernel's reasons not to cut a message into segments: they do not fit the path's MTU, they do not fit, or the
// device cannot send them.
bool refuses_to_join(int error_number) {
    return error_number == EMSGSIZE || error_number == EINVAL || error_number == EIO;
}

}  // namespace

DatagramBatch::DatagramBatch()
    : slots_(std::make_unique_for_overwrite<std::array<uint8_t, slot_size>[]>(most_messages)) {
    for (size_t i = 0; i < most_messages; ++i) {
        slot_parts_[i] = {slots_[i].data(), slot_size};
        msghdr& message = in_[i].msg_hdr;
        message.msg_name = sources_[i].get();
        message.msg_iov = &slot_parts_[i];
        message.msg_iovlen = 1;
        message.msg_control = &controls_[i];
    }
}

void DatagramBatch::clear() {
    messages_ = 0;
    datagrams_.clear();
}

size_t DatagramBatch::receive(int fd, size_t wanted) {
    const std::span in = std::span(in_).subspan(messages_, wanted);
    for (mmsghdr& message : in) {
        message.msg_hdr.msg_namelen = SockAddr::capacity();
        message.msg_hdr.msg_controllen = sizeof(Control);
    }
    const int count = receive_some(fd, in);
    receive_error_ = count >= 0 || errno == EAGAIN || errno == EINTR ? 0 : errno;
    const auto received = static_cast<size_t>(std::max(count, 0));
    for (const mmsghdr& message : in.first(received)) {
        const auto joined = find_control<int>(message.msg_hdr, SOL_UDP, UDP_GRO);
        const size_t size = joined ? static_cast<size_t>(*joined) : slot_size;
        split({std::span(slots_[messages_]).first(message.msg_len), messages_}, size, datagrams_);
        ++messages_;
    }
    return received;
}

std::optional<Ip> DatagramBatch::destination(size_t i) const {
    const msghdr& message = in_[datagrams_[i].message].msg_hdr;
    if (const auto info = find_control<in_pktinfo>(message, IPPROTO_IP, IP_PKTINFO)) {
        return Ip::v4(ntohl(info->ipi_addr.s_addr));
    }
    if (const auto info = find_control<in6_pktinfo>(message, IPPROTO_IPV6, IPV6_PKTINFO)) {
        return Ip::from_network(std::span<const uint8_t, 16>(info->ipi6_addr.s6_addr, 16));
    }
    return std::nullopt;
}

bool DatagramBatch::alike(size_t i, size_t k) const {
    if (datagrams_[i].message == datagrams_[k].message) return true;
    return source(i) == source(k) && source_address(i).link() == source_address(k).link() &&
           destination(i) == destination(k);
}

// Makes messages of what is left of the runs, as many as there is room for. How many.
size_t DatagramBatch::compose(std::span<Run> runs) {
    parts_used_ = 0;
    size_t count = 0;
    for (Run& run : runs) {
        for (size_t first = run.first; first < run.last; ++count) {
            if (count == most_messages || parts_.size() - parts_used_ < 2 * most_segments) return count;
            const auto rest = std::span(datagrams_).subspan(first, run.last - first);
            const size_t end = first + joinable(rest, run.route.header.size(), run.route.largest_joined);
            compose(count, run, first, end);
            outgoing_[count] = {&run, end};
            first = end;
        }
    }
    return count;
}

void DatagramBatch::compose(size_t index, const Run& run, size_t first, size_t end) {
    const Route& route = run.route;
    msghdr& message = out_[index].msg_hdr;
    message = {};
    message.msg_iov = &parts_[parts_used_];
    for (size_t i = first; i < end; ++i) {
        add_part(message, route.header);
        add_part(message, payload(i));
    }
    if (route.to) {
        message.msg_name = const_cast<sockaddr*>(route.to->get());
        message.msg_namelen = route.to->size();
    }
    message.msg_control = &out_controls_[index];
    if (route.from) send_from(message, *route.from);
    if (end - first > 1) {
        add_control(message, SOL_UDP, UDP_SEGMENT, static_cast<uint16_t>(route.header.size() + payload(first).size()));
    }
}

void DatagramBatch::add_part(msghdr& message, Payload part) {
    if (part.empty()) return;
    parts_[parts_used_++] = {const_cast<uint8_t*>(part.data()), part.size()};
    ++message.msg_iovlen;
}

// sendmmsg(), or what costs less than that where one plain datagram is all there is.
int DatagramBatch::send_some(int fd, size_t first, size_t count) {
    constexpr int flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    const msghdr& message = out_[first].msg_hdr;
    if (count > 1 || message.msg_iovlen != 1 || message.msg_controllen > 0) {
        return sendmmsg(fd, &out_[first], static_cast<unsigned>(count), flags);
    }
    const iovec& part = message.msg_iov[0];
    const auto* to = static_cast<const sockaddr*>(message.msg_name);
    return sendto(fd, part.iov_base, part.iov_len, flags, to, message.msg_namelen) < 0 ? -1 : 1;
}

void DatagramBatch::took(size_t message) {
    const auto [run, end] = outgoing_[message];
    for (; run->first < end; ++run->first) run->sent.bytes += payload(run->first).size();
}

void DatagramBatch::send(int fd, std::span<Run> runs) {
    bool retried = false;
    while (const size_t messages = compose(runs)) {
        for (size_t k = 0; k < messages;) {
            const int count = send_some(fd, k, messages - k);
            if (count > 0) {
                for (const size_t end = k + static_cast<size_t>(count); k < end; ++k) took(k);
                retried = false;
                continue;
            }
            const auto [run, end] = outgoing_[k];
            const size_t datagrams = end - run->first;
            if (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM) {
                for (Run& each : runs) each.sent.no_room += each.last - each.first;
                return;
            }
            if (datagrams > 1 && refuses_to_join(errno)) {
                run->route.largest_joined = run->route.header.size() + payload(run->first).size() - 1;
                break;  // and compose anew
            }
            if (errno == EMSGSIZE) {
                ++run->sent.oversize;
            } else if (!std::exchange(retried, !retried)) {
                // Most often an ICMP error about an earlier datagram: these were not sent, and have a second try.
                ++run->sent.errors;
                run->sent.last_error = errno;
                continue;
            } else {
                run->sent.errors += datagrams - 1;
            }
            run->first = end;
            ++k;
        }
    }
}

void tell_destinations(int fd, Family family) {
    if (family == Family::v4)
        set_option(fd, IPPROTO_IP, IP_PKTINFO);
    else
        set_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO);
}

void join_received(int fd) { set_option(fd, SOL_UDP, UDP_GRO); }

}  // namespace hairpin::proxy
