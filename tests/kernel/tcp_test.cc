// What the design takes for granted about TCP sockets.
#include <fcntl.h>

#include <array>

#include "kernel/namespace.h"
#include "kernel/sockets.h"
#include "net/socket.h"

namespace hairpin {
namespace {

using Tcp = InNamespace;

TEST_F(Tcp, AcceptedSocketsInheritTheOptionsOfTheirListener) {
    alone([] {
        const Fd listener = listening("127.0.0.1:0");
        set(listener, IPPROTO_TCP, TCP_NODELAY, 1);
        set(listener, IPPROTO_TCP, TCP_USER_TIMEOUT, 12345);
        set(listener, SOL_SOCKET, SO_KEEPALIVE, 1);
        set(listener, SOL_SOCKET, SO_OOBINLINE, 1);
        const linger zero{1, 0};
        ASSERT_EQ(setsockopt(listener.get(), SOL_SOCKET, SO_LINGER, &zero, sizeof zero), 0);
        const Fd client = connected(SOCK_STREAM, local(listener));
        const Fd server = accepted(listener);
        EXPECT_EQ(get(server, IPPROTO_TCP, TCP_NODELAY), 1);
        EXPECT_EQ(get(server, IPPROTO_TCP, TCP_USER_TIMEOUT), 12345);
        EXPECT_EQ(get(server, SOL_SOCKET, SO_KEEPALIVE), 1);
        EXPECT_EQ(get(server, SOL_SOCKET, SO_OOBINLINE), 1);
        linger inherited{};
        socklen_t size = sizeof inherited;
        ASSERT_EQ(getsockopt(server.get(), SOL_SOCKET, SO_LINGER, &inherited, &size), 0);
        EXPECT_EQ(inherited.l_onoff, 1);
        EXPECT_EQ(inherited.l_linger, 0);
        EXPECT_EQ(get(client, IPPROTO_TCP, TCP_NODELAY), 0);
    });
}

TEST_F(Tcp, AcceptedSocketsDoNotInheritNonBlockingMode) {
    alone([] {
        const Fd listener = listening("127.0.0.1:0");
        const Fd client = connected(SOCK_STREAM, local(listener));
        ASSERT_EQ(wait_for(listener, POLLIN), POLLIN);
        ASSERT_EQ(fcntl(listener.get(), F_SETFL, O_NONBLOCK), 0);
        EXPECT_EQ(fcntl(accepted(listener).get(), F_GETFL) & O_NONBLOCK, 0);
    });
}

TEST_F(Tcp, ReusePortSpreadsConnectionsOverListeners) {
    alone([] {
        constexpr int connections = 64;
        std::array<Fd, 2> listeners;
        for (Fd& fd : listeners) {
            fd = open_socket(SOCK_STREAM, at("1.0.0.1:5432").ip);
            set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
            ASSERT_EQ(try_bind(fd, at("1.0.0.1:5432")), 0);
            ASSERT_EQ(listen(fd.get(), connections), 0);
        }
        std::array<Fd, connections> clients;
        for (Fd& fd : clients) fd = connected(SOCK_STREAM, at("1.0.0.1:5432"));
        std::array<int, 2> got{};
        while (got[0] + got[1] < connections) {
            std::array<pollfd, 2> ready{{{listeners[0].get(), POLLIN, 0}, {listeners[1].get(), POLLIN, 0}}};
            ASSERT_GT(poll(ready.data(), ready.size(), deadline_ms), 0) << "a connection was lost";
            for (size_t i = 0; i < ready.size(); ++i) {
                if (ready[i].revents) got[i] += accepted(listeners[i]) ? 1 : 0;
            }
        }
        // By a hash of the four-tuple: that one listener misses all of 64 happens once in 2^63 runs.
        EXPECT_GT(got[0], 0);
        EXPECT_GT(got[1], 0);
    });
}

TEST_F(Tcp, WithoutReusePortTheSecondListenerIsRefused) {
    alone([] {
        const Fd first = listening("1.0.0.1:5432");
        const Fd second = open_socket(SOCK_STREAM, at("1.0.0.1:5432").ip);
        set(second, SOL_SOCKET, SO_REUSEPORT, 1);  // both must ask for it
        EXPECT_EQ(try_bind(second, at("1.0.0.1:5432")), EADDRINUSE);
    });
}

// Connections that nobody has accepted yet. A client is back from connect() before its last segment has arrived.
uint32_t waiting_at(const Fd& listener) {
    tcp_info info{};
    socklen_t size = sizeof info;
    EXPECT_EQ(getsockopt(listener.get(), IPPROTO_TCP, TCP_INFO, &info, &size), 0);
    return info.tcpi_unacked;
}

TEST_F(Tcp, AListenerThatIsShutResetsAllWhoWaitAndMayListenAgain) {
    alone([] {
        const Fd listener = listening("127.0.0.1:0");
        const std::array<Fd, 2> waiting = {connected(SOCK_STREAM, local(listener)),
                                           connected(SOCK_STREAM, local(listener))};
        ASSERT_TRUE(eventually([&] { return waiting_at(listener) == 2; }));
        EXPECT_EQ(reset_waiting_clients(listener.get()), 2);
        for (const Fd& client : waiting) EXPECT_EQ(receive(client), "error: Connection reset by peer");
        const Fd next = connected(SOCK_STREAM, local(listener));
        send_all(next, "hello");
        EXPECT_EQ(receive(accepted(listener)), "hello");
    });
}

TEST_F(Tcp, CloseWithZeroLingerIsAResetThatThePeerReads) {
    alone([] {
        TcpPair pair = tcp_pair();
        const linger zero{1, 0};
        ASSERT_EQ(setsockopt(pair.server.get(), SOL_SOCKET, SO_LINGER, &zero, sizeof zero), 0);
        pair.server.reset();
        char byte = 0;
        EXPECT_EQ(recv(pair.client.get(), &byte, 1, 0), -1);
        EXPECT_EQ(errno, ECONNRESET);
    });
}

TEST_F(Tcp, CloseWithoutItIsACleanEnd) {
    alone([] {
        TcpPair pair = tcp_pair();
        pair.server.reset();
        EXPECT_EQ(receive(pair.client), "");
    });
}

// So a relay that stops reading must not close a socket if it wants the peer to see a clean end.
TEST_F(Tcp, CloseWithUnreadBytesIsAResetToo) {
    alone([] {
        TcpPair pair = tcp_pair();
        send_all(pair.client, "unread");
        ASSERT_TRUE(wait_for(pair.server, POLLIN));
        pair.server.reset();
        char byte = 0;
        EXPECT_EQ(recv(pair.client.get(), &byte, 1, 0), -1);
        EXPECT_EQ(errno, ECONNRESET);
    });
}

TEST_F(Tcp, AHalfClosedConnectionStillCarriesTheOtherDirection) {
    alone([] {
        const TcpPair pair = tcp_pair();
        ASSERT_EQ(shutdown(pair.client.get(), SHUT_WR), 0);
        EXPECT_EQ(receive(pair.server), "");
        send_all(pair.server, "late");
        EXPECT_EQ(receive(pair.client), "late");
    });
}

TEST_F(Tcp, OneFamilyLeavesTheOthersWildcardAloneIfTheIpv6SocketIsV6Only) {
    alone([] {
        const Fd four = listening("0.0.0.0:5432");
        const Fd six = open_socket(SOCK_STREAM, at("[::]:5432").ip);
        set(six, IPPROTO_IPV6, IPV6_V6ONLY, 0);
        EXPECT_EQ(try_bind(six, at("[::]:5432")), EADDRINUSE);
        set(six, IPPROTO_IPV6, IPV6_V6ONLY, 1);
        EXPECT_EQ(try_bind(six, at("[::]:5432")), 0);
        EXPECT_EQ(listen(six.get(), 1), 0);
    });
}

}  // namespace
}  // namespace hairpin
