// What the design takes for granted about the address and port that a connection comes from.
#include <fcntl.h>

#include "kernel/namespace.h"
#include "kernel/sockets.h"
#include "kernel/veth.h"

namespace hairpin {
namespace {

using SourceAddress = InNamespace;

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51  // linux/in.h of 6.3
#endif

void only_ports(const std::string& first, const std::string& last) {
    const Fd file(open("/proc/sys/net/ipv4/ip_local_port_range", O_WRONLY | O_CLOEXEC));
    ASSERT_TRUE(file) << std::strerror(errno);
    const std::string text = first + " " + last;
    ASSERT_EQ(write(file.get(), text.data(), text.size()), static_cast<ssize_t>(text.size())) << std::strerror(errno);
}

// A socket that will connect from this address, from whichever port is free towards the destination.
Fd from(std::string_view address) {
    Fd fd = open_socket(SOCK_STREAM, at(address).ip);
    set(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    EXPECT_EQ(try_bind(fd, at(address)), 0);
    return fd;
}

TEST_F(SourceAddress, BoundWithoutAPortSharesOnePortAmongDestinations) {
    alone([] {
        only_ports("40000", "40000");
        const Fd listener2 = listening("10.0.0.2:80");
        const Fd listener3 = listening("10.0.0.3:80");
        const Fd first = from("1.0.0.1:0");
        EXPECT_EQ(local(first).port, 0);
        EXPECT_EQ(try_connect(first, at("10.0.0.2:80")), 0);
        const Fd second = from("1.0.0.1:0");
        EXPECT_EQ(try_connect(second, at("10.0.0.3:80")), 0);
        EXPECT_EQ(local(first), at("1.0.0.1:40000"));
        EXPECT_EQ(local(second), at("1.0.0.1:40000"));
        EXPECT_EQ(remote(accepted(listener2)), at("1.0.0.1:40000"));
    });
}

TEST_F(SourceAddress, BoundWithoutAPortStillRunsOutTowardsOneDestination) {
    alone([] {
        only_ports("40000", "40000");
        const Fd listener = listening("10.0.0.2:80");
        const Fd first = from("1.0.0.1:0");
        EXPECT_EQ(try_connect(first, at("10.0.0.2:80")), 0);
        EXPECT_EQ(try_connect(from("1.0.0.1:0"), at("10.0.0.2:80")), EADDRNOTAVAIL);
        EXPECT_EQ(try_connect(from("1.0.0.2:0"), at("10.0.0.2:80")), 0);  // another address has ports of its own
    });
}

TEST_F(SourceAddress, BoundPlainlyTakesAPortForAllDestinations) {
    alone([] {
        only_ports("40000", "40000");
        const Fd first = bound(SOCK_STREAM, "1.0.0.1:0");
        const Fd second = open_socket(SOCK_STREAM, at("1.0.0.1:0").ip);
        EXPECT_EQ(try_bind(second, at("1.0.0.1:0")), EADDRINUSE);
    });
}

// False before Linux 6.3.
bool narrow(const Fd& fd, uint32_t first, uint32_t last) {
    const uint32_t range = last << 16 | first;
    return setsockopt(fd.get(), IPPROTO_IP, IP_LOCAL_PORT_RANGE, &range, sizeof range) == 0;
}

TEST_F(SourceAddress, PortRangeOfOneSocketNarrowsTheSystems) {
    alone([] {
        only_ports("40000", "50000");
        const Fd listener = listening("10.0.0.2:80");
        const Fd first = from("1.0.0.1:0");
        if (!narrow(first, 45000, 45000)) GTEST_SKIP() << "IP_LOCAL_PORT_RANGE needs Linux 6.3";
        EXPECT_EQ(try_connect(first, at("10.0.0.2:80")), 0);
        EXPECT_EQ(local(first).port, 45000);
        const Fd second = from("1.0.0.1:0");
        ASSERT_TRUE(narrow(second, 45000, 45000));
        EXPECT_EQ(try_connect(second, at("10.0.0.2:80")), EADDRNOTAVAIL);
    });
}

TEST_F(SourceAddress, PortRangeOutsideTheSystemsIsIgnoredInSilence) {
    alone([] {
        only_ports("40000", "40000");
        const Fd listener = listening("10.0.0.2:80");
        const Fd fd = from("1.0.0.1:0");
        if (!narrow(fd, 50000, 50000)) GTEST_SKIP() << "IP_LOCAL_PORT_RANGE needs Linux 6.3";
        EXPECT_EQ(try_connect(fd, at("10.0.0.2:80")), 0);
        EXPECT_EQ(local(fd).port, 40000);
    });
}

// How an external address reaches a backend on the gateway itself.
TEST_F(SourceAddress, AnOwnAddressReachesLoopback) {
    alone([] {
        const Fd listener = listening("127.0.0.1:80");
        const Fd client = from("1.0.0.1:0");
        EXPECT_EQ(try_connect(client, at("127.0.0.1:80")), 0);
        EXPECT_EQ(remote(accepted(listener)).ip, at("1.0.0.1:0").ip);
    });
}

TEST_F(SourceAddress, LoopbackReachesAnOwnAddress) {
    alone([] {
        const Fd listener = listening("1.0.0.1:80");
        const Fd client = from("127.0.0.1:0");
        EXPECT_EQ(try_connect(client, at("1.0.0.1:80")), 0);
        EXPECT_EQ(remote(accepted(listener)).ip, at("127.0.0.1:0").ip);
    });
}

// Why translate() never sends from a loopback address to a backend elsewhere.
TEST_F(SourceAddress, LoopbackNeverReachesAnotherHost) {
    alone([] {
        add_veth("ext", "192.0.2.1/24");
        EXPECT_EQ(try_connect(from("127.0.0.1:0"), at("192.0.2.2:80")), EINVAL);
    });
}

TEST_F(SourceAddress, AForeignOneCannotBeBound) {
    alone([] {
        const Fd fd = open_socket(SOCK_STREAM, at("1.0.0.77:0").ip);
        EXPECT_EQ(try_bind(fd, at("1.0.0.77:0")), EADDRNOTAVAIL);
        set(fd, IPPROTO_IP, IP_FREEBIND, 1);
        EXPECT_EQ(try_bind(fd, at("1.0.0.77:0")), 0);
    });
}

TEST_F(SourceAddress, OfAConnectionToAnOwnAddressIsThatAddress) {
    alone([] {
        const Fd listener = listening("1.0.0.2:80");
        EXPECT_EQ(local(connected(SOCK_STREAM, at("1.0.0.2:80"))).ip, at("1.0.0.2:0").ip);
    });
}

}  // namespace
}  // namespace hairpin
