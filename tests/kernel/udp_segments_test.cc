// What the design takes for granted about messages of several datagrams (UDP_SEGMENT, UDP_GRO).
#include <netinet/udp.h>

#include <array>
#include <vector>

#include "kernel/namespace.h"
#include "kernel/sockets.h"

namespace hairpin {
namespace {

using UdpSegments = InNamespace;

// Sends parts, gathered, as segments of `size` bytes; with a source address of a wildcard socket's choice where there
// is one. 0, or the errno it failed with.
int try_send(const Fd& fd, const std::vector<std::string>& parts, uint16_t size, const Endpoint* to = nullptr,
             const in_addr* source = nullptr) {
    std::vector<iovec> vectors;
    vectors.reserve(parts.size());
    for (const std::string& part : parts) vectors.push_back({const_cast<char*>(part.data()), part.size()});
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof size) + CMSG_SPACE(sizeof(in_pktinfo))> control{};
    SockAddr name;
    msghdr message{};
    if (to) {
        name = SockAddr(*to);
        message.msg_name = name.get();
        message.msg_namelen = name.size();
    }
    message.msg_iov = vectors.data();
    message.msg_iovlen = vectors.size();
    message.msg_control = control.data();
    message.msg_controllen = source ? control.size() : CMSG_SPACE(sizeof size);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_UDP;
    header->cmsg_type = UDP_SEGMENT;
    header->cmsg_len = CMSG_LEN(sizeof size);
    std::memcpy(CMSG_DATA(header), &size, sizeof size);
    if (source) {
        header = CMSG_NXTHDR(&message, header);
        header->cmsg_level = IPPROTO_IP;
        header->cmsg_type = IP_PKTINFO;
        header->cmsg_len = CMSG_LEN(sizeof(in_pktinfo));
        in_pktinfo info{};
        info.ipi_spec_dst = *source;
        std::memcpy(CMSG_DATA(header), &info, sizeof info);
    }
    return sendmsg(fd.get(), &message, 0) < 0 ? errno : 0;
}

void set_loopback_mtu(int mtu) {
    const Fd control(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq lo{};
    std::strcpy(lo.ifr_name, "lo");
    lo.ifr_mtu = mtu;
    ASSERT_EQ(ioctl(control.get(), SIOCSIFMTU, &lo), 0) << std::strerror(errno);
}

TEST_F(UdpSegments, ArriveAsDatagramsWhateverPartsTheyWereGatheredFrom) {
    alone([] {
        for (const char* endpoint : {"10.0.0.2:53", "[::1]:53"}) {
            const Fd server = bound(SOCK_DGRAM, endpoint);
            const Fd client = connected(SOCK_DGRAM, at(endpoint));
            ASSERT_EQ(try_send(client, {"head", "one", "head", "two", "head", "3"}, 7), 0);
            for (const char* expected : {"headone", "headtwo", "head3"}) EXPECT_EQ(receive(server), expected);
        }
    });
}

TEST_F(UdpSegments, LeaveFromTheAddressThatIsNamedBesides) {
    alone([] {
        const Fd server = bound(SOCK_DGRAM, "0.0.0.0:53");
        const Fd client = bound(SOCK_DGRAM, "10.0.0.2:0");
        ASSERT_EQ(try_connect(client, at("1.0.0.2:53")), 0);
        const Endpoint to = local(client);
        const in_addr asked{htonl(at("1.0.0.2:53").ip.v4_bits())};
        ASSERT_EQ(try_send(server, {"onetwo"}, 3, &to, &asked), 0);
        EXPECT_EQ(receive(client), "one");
        EXPECT_EQ(receive(client), "two");
    });
}

TEST_F(UdpSegments, Are64OfAllThatAnIpPacketHolds) {
    alone([] {
        for (const char* endpoint : {"10.0.0.2:53", "[::1]:53"}) {
            const Fd server = bound(SOCK_DGRAM, endpoint);
            set(server, SOL_SOCKET, SO_RCVBUF, 1 << 20);
            const Fd client = connected(SOCK_DGRAM, at(endpoint));
            set(client, SOL_SOCKET, SO_SNDBUF, 1 << 20);
            const std::string most(65'535 - 48, 'x');
            EXPECT_EQ(try_send(client, {most}, 1024), 0);  // 64 segments
            std::vector<char> got(70'000);
            for (int i = 0; i < 63; ++i) EXPECT_EQ(recv(server.get(), got.data(), got.size(), 0), 1024);
            EXPECT_EQ(recv(server.get(), got.data(), got.size(), 0), 65'487 - 63 * 1024);
        }
    });
}

// The datagrams of such a message must then be sent alone, where IP fragments them.
TEST_F(UdpSegments, AreRefusedWhereTheyExceedTheMtu) {
    alone([] {
        for (const char* endpoint : {"10.0.0.2:53", "[::1]:53"}) {
            set_loopback_mtu(1500);
            const Fd server = bound(SOCK_DGRAM, endpoint);
            const Fd client = connected(SOCK_DGRAM, at(endpoint));
            set(client, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
            const int refusal = try_send(client, {std::string(3000, 'x')}, 1500);
            EXPECT_TRUE(refusal == EMSGSIZE || refusal == EINVAL) << std::strerror(refusal);
            EXPECT_EQ(try_send(client, {std::string(2800, 'x')}, 1400), 0);
            EXPECT_EQ(receive(server).size(), 256u);  // of 1400: the buffer's
        }
    });
}

TEST_F(UdpSegments, ComeJoinedWithTheirSizeToASocketThatWantsThem) {
    alone([] {
        const Fd server = bound(SOCK_DGRAM, "10.0.0.2:53");
        set(server, SOL_UDP, UDP_GRO, 1);
        const Fd client = connected(SOCK_DGRAM, at("10.0.0.2:53"));
        ASSERT_EQ(try_send(client, {"onetwo3"}, 3), 0);
        send_all(client, "alone");

        std::array<char, 16> buffer{};
        iovec bytes{buffer.data(), buffer.size()};
        alignas(cmsghdr) std::array<char, 64> control{};
        msghdr message{};
        message.msg_iov = &bytes;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        ASSERT_EQ(recvmsg(server.get(), &message, 0), 7);
        EXPECT_EQ(std::string(buffer.data(), 7), "onetwo3");
        const cmsghdr* header = CMSG_FIRSTHDR(&message);
        ASSERT_NE(header, nullptr);
        EXPECT_EQ(header->cmsg_level, SOL_UDP);
        EXPECT_EQ(header->cmsg_type, UDP_GRO);
        int size = 0;
        std::memcpy(&size, CMSG_DATA(header), sizeof size);
        EXPECT_EQ(size, 3);

        message.msg_controllen = control.size();
        ASSERT_EQ(recvmsg(server.get(), &message, 0), 5);
        EXPECT_EQ(message.msg_controllen, 0u) << "one alone has no size of segments";
    });
}

// An error that waits takes the message's place: none of its datagrams is sent, and the next try sends all.
TEST_F(UdpSegments, AreSentAllOrNoneWhereAnErrorWaits) {
    alone([] {
        const Fd client = connected(SOCK_DGRAM, at("10.0.0.2:53"));
        send_all(client, "anyone?");
        ASSERT_NE(wait_for(client, POLLIN) & POLLERR, 0);
        const Fd server = bound(SOCK_DGRAM, "10.0.0.2:53");
        EXPECT_EQ(try_send(client, {"onetwo"}, 3), ECONNREFUSED);
        EXPECT_EQ(try_send(client, {"sixten"}, 3), 0);
        EXPECT_EQ(receive(server), "six");
        EXPECT_EQ(receive(server), "ten");
    });
}

}  // namespace
}  // namespace hairpin
