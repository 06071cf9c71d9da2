// What the design takes for granted about UDP sockets.
#include <array>
#include <vector>

#include "kernel/namespace.h"
#include "kernel/sockets.h"

namespace hairpin {
namespace {

using Udp = InNamespace;

TEST_F(Udp, AConnectedSocketReadsThatNobodyListensAndWorksOnAfterwards) {
    alone([] {
        const Fd client = connected(SOCK_DGRAM, at("10.0.0.2:53"));
        send_all(client, "anyone?");
        ASSERT_NE(wait_for(client, POLLIN) & POLLERR, 0);
        char byte = 0;
        EXPECT_EQ(recv(client.get(), &byte, 1, 0), -1);
        EXPECT_EQ(errno, ECONNREFUSED);

        const Fd server = bound(SOCK_DGRAM, "10.0.0.2:53");
        send_all(client, "now?");
        EXPECT_EQ(receive(server), "now?");
        const SockAddr back(local(client));
        ASSERT_EQ(sendto(server.get(), "yes", 3, 0, back.get(), back.size()), 3);
        EXPECT_EQ(receive(client), "yes");
    });
}

// The error of an earlier datagram takes the place of a later send, whose datagram is then not sent.
TEST_F(Udp, AConnectedSocketMayReportTheRefusalToASendInstead) {
    alone([] {
        const Fd client = connected(SOCK_DGRAM, at("10.0.0.2:53"));
        send_all(client, "anyone?");
        ASSERT_NE(wait_for(client, POLLIN) & POLLERR, 0);
        const Fd server = bound(SOCK_DGRAM, "10.0.0.2:53");
        EXPECT_EQ(send(client.get(), "lost", 4, 0), -1);
        EXPECT_EQ(errno, ECONNREFUSED);
        send_all(client, "again");
        EXPECT_EQ(receive(server), "again");
    });
}

TEST_F(Udp, AnUnconnectedSocketHearsNothingOfRefusals) {
    alone([] {
        const Fd server = bound(SOCK_DGRAM, "1.0.0.1:53");
        const SockAddr nobody(at("10.0.0.2:53"));
        ASSERT_EQ(sendto(server.get(), "x", 1, 0, nobody.get(), nobody.size()), 1);
        const Fd client = connected(SOCK_DGRAM, at("1.0.0.1:53"));
        send_all(client, "hello");  // the refusal, had it been one for this socket, came first
        EXPECT_EQ(receive(server), "hello");
    });
}

TEST_F(Udp, ADatagramHolds65507BytesAndNotOneMore) {
    alone([] {
        const Fd server = bound(SOCK_DGRAM, "10.0.0.2:53");
        const Fd client = connected(SOCK_DGRAM, at("10.0.0.2:53"));
        const std::string bytes(65508, 'x');
        EXPECT_EQ(send(client.get(), bytes.data(), 65508, 0), -1);
        EXPECT_EQ(errno, EMSGSIZE);
        EXPECT_EQ(send(client.get(), bytes.data(), 65507, 0), 65507);
        std::vector<char> got(70'000);
        EXPECT_EQ(recv(server.get(), got.data(), got.size(), 0), 65507);
    });
}

// IPv6 does not count its header into the length of 16 bits.
TEST_F(Udp, ADatagramHolds65527BytesOverIpv6) {
    alone([] {
        const Fd server = bound(SOCK_DGRAM, "[::1]:53");
        const Fd client = connected(SOCK_DGRAM, at("[::1]:53"));
        const std::string bytes(65528, 'x');
        EXPECT_EQ(send(client.get(), bytes.data(), 65528, 0), -1);
        EXPECT_EQ(errno, EMSGSIZE);
        EXPECT_EQ(send(client.get(), bytes.data(), 65527, 0), 65527);
        std::vector<char> got(70'000);
        EXPECT_EQ(recv(server.get(), got.data(), got.size(), 0), 65527);
    });
}

TEST_F(Udp, EmptyDatagramsAreDatagramsToRecvmmsg) {
    alone([] {
        const Fd server = bound(SOCK_DGRAM, "10.0.0.2:53");
        const Fd client = connected(SOCK_DGRAM, at("10.0.0.2:53"));
        for (const char* text : {"", "abc", ""}) send_all(client, text);
        std::array<std::array<char, 16>, 4> buffers{};
        std::array<iovec, 4> vectors{};
        std::array<mmsghdr, 4> messages{};
        for (size_t i = 0; i < messages.size(); ++i) {
            vectors[i] = {buffers[i].data(), buffers[i].size()};
            messages[i].msg_hdr.msg_iov = &vectors[i];
            messages[i].msg_hdr.msg_iovlen = 1;
            messages[i].msg_len = 99;
        }
        ASSERT_EQ(recvmmsg(server.get(), messages.data(), 3, 0, nullptr), 3);
        EXPECT_EQ(messages[0].msg_len, 0u);
        EXPECT_EQ(messages[1].msg_len, 3u);
        EXPECT_EQ(messages[2].msg_len, 0u);
        EXPECT_EQ(recvmmsg(server.get(), messages.data(), messages.size(), MSG_DONTWAIT, nullptr), -1);
        EXPECT_EQ(errno, EAGAIN);
    });
}

// Sends from an address of a wildcard socket's choice, or from the one the route gives.
void reply(const Fd& server, const Endpoint& to, const char* text, const in_addr* source) {
    SockAddr name(to);
    iovec bytes{const_cast<char*>(text), strlen(text)};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(in_pktinfo))> control{};
    msghdr message{};
    message.msg_name = name.get();
    message.msg_namelen = name.size();
    message.msg_iov = &bytes;
    message.msg_iovlen = 1;
    if (source) {
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = IPPROTO_IP;
        header->cmsg_type = IP_PKTINFO;
        header->cmsg_len = CMSG_LEN(sizeof(in_pktinfo));
        in_pktinfo info{};
        info.ipi_spec_dst = *source;
        std::memcpy(CMSG_DATA(header), &info, sizeof info);
    }
    ASSERT_EQ(sendmsg(server.get(), &message, 0), static_cast<ssize_t>(bytes.iov_len)) << std::strerror(errno);
}

TEST_F(Udp, AWildcardSocketLearnsTheAddressThatWasAskedAndAnswersFromItOnlyIfTold) {
    alone([] {
        const Fd server = bound(SOCK_DGRAM, "0.0.0.0:53");
        set(server, IPPROTO_IP, IP_PKTINFO, 1);
        const Fd client = bound(SOCK_DGRAM, "10.0.0.2:0");
        ASSERT_EQ(try_connect(client, at("1.0.0.2:53")), 0);
        send_all(client, "hello");

        std::array<char, 16> buffer{};
        iovec bytes{buffer.data(), buffer.size()};
        alignas(cmsghdr) std::array<char, 128> control{};
        msghdr message{};
        message.msg_iov = &bytes;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        ASSERT_EQ(recvmsg(server.get(), &message, 0), 5);
        const cmsghdr* header = CMSG_FIRSTHDR(&message);
        ASSERT_NE(header, nullptr);
        ASSERT_EQ(header->cmsg_type, IP_PKTINFO);
        in_pktinfo info{};
        std::memcpy(&info, CMSG_DATA(header), sizeof info);
        EXPECT_EQ(ntohl(info.ipi_addr.s_addr), at("1.0.0.2:0").ip.v4_bits());

        // The first comes from 10.0.0.2, the route's choice, so the client's connected socket never sees it.
        reply(server, local(client), "from the route", nullptr);
        reply(server, local(client), "from the asked", &info.ipi_addr);
        EXPECT_EQ(receive(client), "from the asked");
    });
}

}  // namespace
}  // namespace hairpin
