// Not a byte is lost, added or called an end that is none: streams as clients and servers end, stall and break them.
//
//   ╭─ client ──╮    ╭─ gateway ─────────────╮               ╭─ server1 ────────╮
//   │ 1.0.0.100 ├────┤ 1.0.0.1:1234 10.0.0.1 ├── switch ──┬──┤ 10.0.0.2:12345   │
//   ╰───────────╯    ╰───────────────────────╯            │  ╭─ peer ───────────╮
//                                                         ╰──┤ 10.0.0.50        │
//
// Every test runs from outside (client) and hairpinned (peer).
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <future>
#include <set>

#include "support/tcp_stream.h"

namespace hairpin {
namespace {

using namespace std::chrono_literals;

// Around the sizes at which buffers, pages and pipes end.
constexpr size_t sizes[] = {0, 1, 65'535, 65'536, 65'537, 3'000'000};

// One side says all and ends; the other one answers only then.
void speak_in_turn(const Fd& first, const Fd& second, const std::string& question, const std::string& answer) {
    auto asked = sending(first, question);
    std::string heard = receive(second, question.size());
    EXPECT_TRUE(asked.get());
    finish(first);
    heard += receive_to_end(second).bytes;
    expect_same(heard, question);
    auto answered = sending(second, answer);
    heard = receive(first, answer.size());
    EXPECT_TRUE(answered.get());
    finish(second);
    const Ending ending = receive_to_end(first);
    EXPECT_EQ(ending.error, 0) << strerror(ending.error);
    expect_same(heard + ending.bytes, answer);
}

TEST_P(TcpStream, ServerAnswersAfterTheClientEnded) {
    for (const size_t size : sizes) {
        SCOPED_TRACE(size);
        const Conversation made = connect();
        speak_in_turn(made.client, made.backend, noise(size), noise(size + 1));
    }
}

TEST_P(TcpStream, ClientSpeaksOnAfterTheServerEnded) {
    for (const size_t size : sizes) {
        SCOPED_TRACE(size);
        const Conversation made = connect();
        speak_in_turn(made.backend, made.client, noise(size), noise(size + 1));
    }
}

// The bytes and the end of stream come in one go.
TEST_P(TcpStream, EndsDirectlyBehindTheLastByte) {
    for (const size_t size : sizes) {
        SCOPED_TRACE(size);
        const std::string bytes = noise(size);
        const Conversation made = connect();
        auto sent = std::async(std::launch::async, [&] {
            const bool all = send_all(made.client, bytes);
            finish(made.client);
            return all;
        });
        expect_whole(receive_to_end(made.backend), bytes);
        EXPECT_TRUE(sent.get());
    }
}

TEST_P(TcpStream, ADownloadGoesOnLongAfterTheClientEnded) {
    const std::string bytes = noise(100'000'000);
    const Conversation made = connect();
    finish(made.client);
    expect_whole(receive_to_end(made.backend), "");
    auto sent = std::async(std::launch::async, [&] {
        const bool all = send_all(made.backend, bytes);
        finish(made.backend);
        return all;
    });
    expect_whole(receive_to_end(made.client), bytes);
    EXPECT_TRUE(sent.get());
}

TEST_P(TcpStream, BurstsThatAreClosedAtOnceArriveWhole) {
    const std::string burst = noise(1 << 20);
    for (int round = 0; round < 10; ++round) {
        SCOPED_TRACE(round);
        for (const bool from_client : {true, false}) {
            Conversation made = connect();
            Fd& sender = from_client ? made.client : made.backend;
            auto sent = std::async(std::launch::async, [&] {
                const bool all = send_all(sender, burst);
                sender.reset();
                return all;
            });
            expect_whole(receive_to_end(from_client ? made.backend : made.client), burst);
            EXPECT_TRUE(sent.get());
        }
    }
}

TEST_P(TcpStream, ServerSpeaksFirst) {
    const Conversation made = connect();
    ASSERT_TRUE(send_all(made.backend, "220 ready\r\n"));
    EXPECT_EQ(receive(made.client, 11), "220 ready\r\n");
    EXPECT_TRUE(made.alive());
}

TEST_P(TcpStream, BulkFlowsBothWaysAtOnce) {
    const std::string up = noise(8'000'000);
    const std::string down = noise(8'000'001);
    const Conversation made = connect();
    auto client_sent = sending(made.client, up);
    auto server_sent = sending(made.backend, down);
    auto arrived = std::async(std::launch::async, [&] { return receive(made.backend, up.size()); });
    expect_same(receive(made.client, down.size()), down);
    expect_same(arrived.get(), up);
    EXPECT_TRUE(client_sent.get());
    EXPECT_TRUE(server_sent.get());
    EXPECT_TRUE(made.alive()) << "and small messages pass after the bulk";
}

// A reader that stops holds its writer back; nothing piles up in between, and nothing is lost.
TEST_P(TcpStream, SlowReadersHoldTheirWriterBack) {
    const std::string bytes = noise(64'000'000);
    const size_t before = resident_bytes_of(lab()->daemon().pid());
    const Conversation made = connect();
    std::atomic<size_t> sent = 0;
    auto sender = std::async(std::launch::async, [&] {
        for (const size_t piece = 100'000; sent < bytes.size(); sent += piece) {
            if (!send_all(made.backend, std::string_view(bytes).substr(sent, piece))) return false;
        }
        return true;
    });
    // Held back: the writer got nothing rid for a while.
    size_t seen = 0;
    auto last_move = std::chrono::steady_clock::now();
    ASSERT_TRUE(wait_for([&] {
        const auto now = std::chrono::steady_clock::now();
        if (seen != sent) last_move = now;
        seen = sent;
        return seen > 0 && now - last_move > 300ms;
    }));
    EXPECT_LT(seen, bytes.size()) << "somebody took all of it";
    const size_t after = resident_bytes_of(lab()->daemon().pid());
    EXPECT_LT(after, before + 4'000'000) << "kept in the gateway's memory";
    expect_same(receive(made.client, bytes.size()), bytes);
    EXPECT_TRUE(sender.get());
}

// RFC 9293 3.8.5: urgent data is a mark in the stream, whose byte belongs to the stream.
TEST_P(TcpStream, UrgentDataStaysInItsPlace) {
    const std::string around = noise(1'000'000);
    for (const bool from_client : {true, false}) {
        const Conversation made = connect();
        const Fd& sender = from_client ? made.client : made.backend;
        const Fd& receiver = from_client ? made.backend : made.client;
        const int on = 1;
        setsockopt(receiver.get(), SOL_SOCKET, SO_OOBINLINE, &on, sizeof on);
        auto sent = std::async(std::launch::async, [&] {
            bool all = send(sender.get(), "!", 1, MSG_OOB) == 1;
            all = all && send_all(sender, around) && send(sender.get(), "!", 1, MSG_OOB) == 1;
            all = all && send_all(sender, around) && send(sender.get(), "!", 1, MSG_OOB) == 1;
            finish(sender);
            return all;
        });
        std::string expected = "!" + around;
        expected += "!" + around;
        expect_whole(receive_to_end(receiver), expected + "!");
        EXPECT_TRUE(sent.get());
    }
}

// The backend's queue is full, so its kernel does not answer the SYN until a place is free. Meanwhile the client talks.
class TcpStreamToABusyServer : public TcpStream {
protected:
    void SetUp() override {
        TcpStream::SetUp();
        if (IsSkipped() || HasFatalFailure()) return;
        server_.reset();
        server_ = listen_on(lab()->host("server1"), internal, 0);
        filler_ = hairpin::dial(lab()->host("server1"), internal);
        ASSERT_TRUE(filler_);
    }
    // A proxy accepts its client, who then does what it does, before the backend accepts. With others the client itself
    // still waits.
    template <class T>
    void wait_until_connecting(const std::future<T>& client) {
        if (engine() != "proxy") return;
        client.wait();
        EXPECT_TRUE(wait_for([&] { return lab().stats("srv").active == 1; }));
    }
    void make_room() { ASSERT_TRUE(accept_from(server_)); }

    Fd filler_;
};

TEST_P(TcpStreamToABusyServer, GetsWhatWasSentBeforeItAccepted) {
    const std::string bytes = noise(100'000);
    std::future<Fd> client = std::async(std::launch::async, [&] {
        Fd socket = dial();
        EXPECT_TRUE(send_all(socket, bytes));
        finish(socket);
        return socket;
    });
    wait_until_connecting(client);
    make_room();
    const Fd backend = accept_from(server_);
    expect_whole(receive_to_end(backend), bytes);
    EXPECT_TRUE(send_all(backend, "thanks"));
    EXPECT_EQ(receive(client.get(), 6), "thanks");
}

TEST_P(TcpStreamToABusyServer, GetsWhatWasSentByAClientThatHasClosedMeanwhile) {
    std::future<void> client = std::async(std::launch::async, [&] {
        const Fd socket = dial();
        EXPECT_TRUE(send_all(socket, "log this"));
    });
    wait_until_connecting(client);
    make_room();
    expect_whole(receive_to_end(accept_from(server_)), "log this");
}

TEST_P(TcpStreamToABusyServer, IsNotBotheredByAClientThatGaveUp) {
    if (engine() != "proxy") GTEST_SKIP() << "the client itself is still connecting";
    Fd client = dial();
    EXPECT_TRUE(wait_for([&] { return lab().stats("srv").active == 1; }));
    reset(std::move(client));
    EXPECT_TRUE(wait_for([&] { return lab().stats("srv").active == 0; }));
    make_room();
    EXPECT_TRUE(connect().alive());
}

TEST_P(TcpStream, ServesTwoThousandShortConnectionsInARow) {
    const ServiceStats before = lab().stats("srv");
    for (int i = 0; i < 2000; ++i) {
        Conversation made = connect();
        const std::string words = "number " + std::to_string(i);
        ASSERT_TRUE(send_all(made.client, words));
        ASSERT_EQ(receive(made.backend, words.size()), words);
        ASSERT_TRUE(send_all(made.backend, words));
        made.backend.reset();
        expect_whole(receive_to_end(made.client), words);
    }
    EXPECT_TRUE(wait_for([&] { return lab().stats("srv").active == 0; }));
    EXPECT_EQ(lab().stats("srv").refused, before.refused);
}

TEST_P(TcpStream, ServesTwoHundredConnectionsAtOnce) {
    std::vector<Fd> clients;
    std::vector<Fd> backends;
    for (int i = 0; i < 200; ++i) clients.push_back(dial());
    for (int i = 0; i < 200; ++i) backends.push_back(accept_from(server_));
    for (size_t i = 0; i < clients.size(); ++i) ASSERT_TRUE(send_all(clients[i], std::to_string(1000 + i)));
    // In whichever order they came to the backend.
    std::set<std::string> heard;
    for (const Fd& backend : backends) {
        const std::string words = receive(backend, 4);
        heard.insert(words);
        ASSERT_TRUE(send_all(backend, words));
    }
    EXPECT_EQ(heard.size(), clients.size());
    for (size_t i = 0; i < clients.size(); ++i) EXPECT_EQ(receive(clients[i], 4), std::to_string(1000 + i));
    EXPECT_EQ(lab().stats("srv").active, clients.size());
}

INSTANTIATE_TEST_SUITE_P(Every, TcpStream, testing::ValuesIn(TcpStream::cases()), TcpStream::name_of);
INSTANTIATE_TEST_SUITE_P(Every, TcpStreamToABusyServer, testing::ValuesIn(TcpStream::cases()), TcpStream::name_of);

}  // namespace
}  // namespace hairpin
