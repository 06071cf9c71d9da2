// A reset is a reset at the other end, too, behind every byte that came before it: what is cut short never looks whole.
//
//   client or peer ── 1.0.0.1:1234 gateway ── 10.0.0.2:12345 server1
//     from outside or hairpinned
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <future>

#include "support/tcp_stream.h"

namespace hairpin {
namespace {

class TcpReset : public TcpStream {};

TEST_P(TcpReset, AResetBehindAReplyArrivesAsResetBehindTheReply) {
    const std::string reply = noise(3000);
    for (int round = 0; round < 20; ++round) {
        SCOPED_TRACE(round);
        Conversation made = connect();
        ASSERT_TRUE(send_all(made.backend, reply));
        wait_until_sent(made.backend);
        reset(std::move(made.backend));
        expect_broken(receive_to_end(made.client), reply);
    }
}

// However early it comes: bytes may be lost, but not the fact.
TEST_P(TcpReset, AClientThatResetsAtOnceLooksLikeNoEnd) {
    for (int round = 0; round < 50; ++round) {
        Conversation made = connect();
        ASSERT_TRUE(send_all(made.client, "delete everything but"));
        reset(std::move(made.client));
        EXPECT_EQ(receive_to_end(made.backend).error, ECONNRESET) << round;
    }
}

TEST_P(TcpReset, AClientsResetArrivesAsReset) {
    const std::string request = noise(3000);
    for (int round = 0; round < 20; ++round) {
        SCOPED_TRACE(round);
        Conversation made = connect();
        ASSERT_TRUE(made.alive());
        ASSERT_TRUE(send_all(made.client, request));
        wait_until_sent(made.client);
        reset(std::move(made.client));
        expect_broken(receive_to_end(made.backend), request);
    }
}

TEST_P(TcpReset, AResetAfterHalfCloseArrivesAsReset) {
    const std::string reply = noise(3000);
    Conversation made = connect();
    finish(made.client);
    expect_whole(receive_to_end(made.backend), "");
    ASSERT_TRUE(send_all(made.backend, reply));
    wait_until_sent(made.backend);
    reset(std::move(made.backend));
    expect_broken(receive_to_end(made.client), reply);
}

// The proxy learns of the reset long before it can pass it on.
TEST_P(TcpReset, AResetWaitsForASlowReaderAndStaysAReset) {
    if (engine() != "proxy") GTEST_SKIP() << "the reset goes from end to end, and no gateway could make it wait";
    const std::string reply = noise(300'000);
    for (int round = 0; round < 5; ++round) {
        SCOPED_TRACE(round);
        Conversation made = connect();
        const int small = 4096;
        setsockopt(made.client.get(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
        ASSERT_TRUE(send_all(made.backend, reply));
        wait_until_sent(made.backend);
        reset(std::move(made.backend));
        expect_broken(receive_to_end(made.client), reply);
    }
}

// Connected, answered and reset in one moment, while the client's request is on its way.
TEST_P(TcpReset, AServerThatHangsUpOnEverybodyNeverLooksLikeAnEnd) {
    for (int round = 0; round < 200; ++round) {
        const Fd client = dial();
        ASSERT_TRUE(send_all(client, "hello?"));
        Fd backend = accept_from(server_);
        ASSERT_TRUE(backend);
        ASSERT_TRUE(send_all(backend, "go away"));
        reset(std::move(backend));
        EXPECT_EQ(receive_to_end(client).error, ECONNRESET) << round;
    }
}

// Closing with bytes unread is a reset, too, but what was sent before is a whole answer: "413, too large".
TEST_P(TcpReset, AServerThatReadsNoFurtherIsHeardToTheEnd) {
    const std::string reply = noise(3000);
    for (int round = 0; round < 20; ++round) {
        SCOPED_TRACE(round);
        Conversation made = connect();
        ASSERT_TRUE(send_all(made.client, noise(50'000)));
        ASSERT_EQ(receive(made.backend, 10), noise(50'000).substr(0, 10));
        ASSERT_TRUE(send_all(made.backend, reply));
        wait_until_sent(made.backend);
        made.backend.reset();
        expect_broken(receive_to_end(made.client), reply);
    }
}

// As before, with a client that is still sending: its next byte meets the reset before its reply has been read.
TEST_P(TcpReset, AServerThatReadsNoFurtherIsHeardByABusyClient) {
    const std::string reply = noise(3000);
    for (int round = 0; round < 20; ++round) {
        SCOPED_TRACE(round);
        Conversation made = connect();
        std::atomic<int> send_error = 0;
        auto sender = std::async(std::launch::async, [&] {
            const std::string piece = noise(500);
            while (send(made.client.get(), piece.data(), piece.size(), MSG_NOSIGNAL) > 0) continue;
            send_error = errno;
        });
        EXPECT_EQ(receive(made.backend, 10).size(), 10);
        EXPECT_TRUE(send_all(made.backend, reply));
        made.backend.reset();
        const Ending ending = receive_to_end(made.client);
        sender.wait();
        expect_same(ending.bytes, reply);
        // Whichever of the client's two calls comes first is told of the reset.
        EXPECT_TRUE(ending.error == ECONNRESET || send_error == ECONNRESET) << "a reset that looks like an end";
    }
}

TEST_P(TcpReset, AnAbandonedDownloadStopsItsServer) {
    const std::string bytes = noise(50'000'000);
    Conversation made = connect();
    auto sender = sending(made.backend, bytes);
    EXPECT_EQ(receive(made.client, 1'000'000).size(), 1'000'000);
    made.client.reset();
    EXPECT_FALSE(sender.get());
}

INSTANTIATE_TEST_SUITE_P(Every, TcpReset, testing::ValuesIn(TcpStream::cases()), TcpStream::name_of);

}  // namespace
}  // namespace hairpin
