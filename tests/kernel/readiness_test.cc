// What the design takes for granted about epoll and splice.
#include <fcntl.h>
#include <sys/epoll.h>

#include <array>

#include "kernel/namespace.h"
#include "kernel/sockets.h"

namespace hairpin {
namespace {

using Epoll = InNamespace;
using Splice = InNamespace;

struct Watch {
    Fd epoll{epoll_create1(EPOLL_CLOEXEC)};

    Watch(const Fd& fd, uint32_t events) {
        epoll_event event{};
        event.events = events;
        EXPECT_EQ(epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd.get(), &event), 0);
    }
    uint32_t next(int timeout_ms) const {
        epoll_event event{};
        return epoll_wait(epoll.get(), &event, 1, timeout_ms) == 1 ? event.events : 0;
    }
};

TEST_F(Epoll, EdgeComesOnceForBytesLeftUnreadAndAgainForNewOnes) {
    alone([] {
        const TcpPair pair = tcp_pair();
        const Watch watch(pair.server, EPOLLIN | EPOLLET);
        send_all(pair.client, "one");
        EXPECT_EQ(watch.next(deadline_ms), EPOLLIN);
        EXPECT_EQ(watch.next(0), 0u);
        send_all(pair.client, "two");
        EXPECT_EQ(watch.next(deadline_ms), EPOLLIN);
    });
}

// EPOLLRDHUP is no reason to stop reading: it overtakes the bytes before it.
TEST_F(Epoll, HangUpIsReportedWhileBytesBeforeItAreUnread) {
    alone([] {
        const TcpPair pair = tcp_pair();
        send_all(pair.client, "last words");
        ASSERT_EQ(shutdown(pair.client.get(), SHUT_WR), 0);
        ASSERT_NE(wait_for(pair.server, POLLRDHUP) & POLLRDHUP, 0);
        const Watch watch(pair.server, EPOLLIN | EPOLLRDHUP | EPOLLET);
        EXPECT_EQ(watch.next(deadline_ms), static_cast<uint32_t>(EPOLLIN | EPOLLRDHUP));
        EXPECT_EQ(watch.next(0), 0u);  // and it is not reported again after them
        EXPECT_EQ(receive(pair.server), "last words");
        EXPECT_EQ(receive(pair.server), "");
        EXPECT_EQ(watch.next(0), 0u);
    });
}

TEST_F(Epoll, AnEdgeThatPassedBeforeTheSocketWasAddedIsReportedStill) {
    alone([] {
        const TcpPair pair = tcp_pair();
        send_all(pair.client, "early");
        ASSERT_TRUE(wait_for(pair.server, POLLIN));
        const Watch watch(pair.server, EPOLLIN | EPOLLET);
        EXPECT_EQ(watch.next(0), EPOLLIN);
    });
}

TEST_F(Epoll, AResetIsReportedAsErrorAndHangUp) {
    alone([] {
        TcpPair pair = tcp_pair();
        const Watch watch(pair.server, EPOLLIN | EPOLLRDHUP | EPOLLET);
        const linger zero{1, 0};
        ASSERT_EQ(setsockopt(pair.client.get(), SOL_SOCKET, SO_LINGER, &zero, sizeof zero), 0);
        pair.client.reset();
        EXPECT_EQ(watch.next(deadline_ms), static_cast<uint32_t>(EPOLLIN | EPOLLERR | EPOLLHUP | EPOLLRDHUP));
    });
}

struct Pipe {
    Fd in, out;
    Pipe() {
        std::array<int, 2> ends{-1, -1};
        EXPECT_EQ(pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK), 0);
        out = Fd(ends[0]);
        in = Fd(ends[1]);
    }
};

ssize_t splice_some(const Fd& from, const Fd& to) {
    return splice(from.get(), nullptr, to.get(), nullptr, 1 << 20, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
}

// So whoever splices must count what the pipe holds: EAGAIN alone does not say whether to wait for the one or the
// other.
TEST_F(Splice, AnEmptySocketAndAFullPipeAreTheSameError) {
    alone([] {
        const TcpPair pair = tcp_pair();
        ASSERT_EQ(fcntl(pair.server.get(), F_SETFL, O_NONBLOCK), 0);
        const Pipe pipe;
        EXPECT_EQ(splice_some(pair.server, pipe.in), -1);
        EXPECT_EQ(errno, EAGAIN);

        send_all(pair.client, "waiting");
        ASSERT_TRUE(wait_for(pair.server, POLLIN));
        const std::string full(static_cast<size_t>(fcntl(pipe.in.get(), F_GETPIPE_SZ)), 'x');
        ASSERT_EQ(write(pipe.in.get(), full.data(), full.size()), static_cast<ssize_t>(full.size()));
        EXPECT_EQ(splice_some(pair.server, pipe.in), -1);
        EXPECT_EQ(errno, EAGAIN);
    });
}

TEST_F(Splice, MovesBytesAndEndsWithZero) {
    alone([] {
        const TcpPair from = tcp_pair();
        const TcpPair to = tcp_pair();
        const Pipe pipe;
        send_all(from.client, "bulk");
        ASSERT_EQ(shutdown(from.client.get(), SHUT_WR), 0);
        ASSERT_NE(wait_for(from.server, POLLRDHUP) & POLLRDHUP, 0);
        EXPECT_EQ(splice_some(from.server, pipe.in), 4);
        EXPECT_EQ(splice_some(from.server, pipe.in), 0);
        EXPECT_EQ(splice_some(pipe.out, to.client), 4);
        EXPECT_EQ(receive(to.server), "bulk");
        EXPECT_EQ(splice_some(pipe.out, to.client), -1);  // an empty pipe whose writer lives
        EXPECT_EQ(errno, EAGAIN);
    });
}

// Pages, not bytes, fill a pipe: small segments fill it long before its nominal size.
TEST_F(Splice, FillsAPipeBySegments) {
    alone([] {
        const TcpPair pair = tcp_pair();
        ASSERT_EQ(fcntl(pair.server.get(), F_SETFL, O_NONBLOCK), 0);
        set(pair.client, IPPROTO_TCP, TCP_NODELAY, 1);
        const Pipe pipe;
        const int size = fcntl(pipe.in.get(), F_GETPIPE_SZ);
        const auto slots = size / static_cast<int>(sysconf(_SC_PAGESIZE));
        ssize_t moved = 0;
        for (int i = 0; i < slots; ++i) {
            send_all(pair.client, "x");
            ASSERT_TRUE(wait_for(pair.server, POLLIN));
            const ssize_t n = splice_some(pair.server, pipe.in);
            ASSERT_EQ(n, 1) << i;
            moved += n;
        }
        send_all(pair.client, "x");
        ASSERT_TRUE(wait_for(pair.server, POLLIN));
        EXPECT_EQ(splice_some(pair.server, pipe.in), -1);
        EXPECT_EQ(errno, EAGAIN);
        EXPECT_EQ(moved, slots);
        EXPECT_LT(moved, size);
    });
}

}  // namespace
}  // namespace hairpin
