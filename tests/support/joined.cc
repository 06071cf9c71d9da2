#include "support/joined.h"

#include <netinet/udp.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "net/sockaddr.h"

namespace hairpin {

void send_joined(const UdpSocket& from, const Endpoint& to, const std::string& bytes, uint16_t size) {
    SockAddr name(to);
    iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof size)> control{};
    msghdr message{};
    message.msg_name = name.get();
    message.msg_namelen = name.size();
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_UDP;
    header->cmsg_type = UDP_SEGMENT;
    header->cmsg_len = CMSG_LEN(sizeof size);
    std::memcpy(CMSG_DATA(header), &size, sizeof size);
    ASSERT_EQ(sendmsg(from.fd(), &message, 0), static_cast<ssize_t>(bytes.size())) << std::strerror(errno);
}

}  // namespace hairpin
