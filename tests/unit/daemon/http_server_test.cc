#include "daemon/http_server.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <mutex>
#include <utility>
#include <vector>

#include "daemon/api_socket.h"

namespace hairpin {
namespace {

class Server : public testing::Test {
protected:
    void SetUp() override {
        auto listening = listen_at(path_);
        ASSERT_TRUE(listening) << listening.error().message;
        auto server = HttpServer::start(*std::move(listening), [this](const HttpRequest& request) {
            last_ = request;
            if (request.path != "/v1/stream") return HttpResponse{.body = "got " + request.body};
            return HttpResponse{
                .content_type = "text/event-stream",
                .stream = HttpStream{.first = "first.", .next = [this] { return next(); }, .heartbeat = ":\n\n"}};
        });
        ASSERT_TRUE(server) << server.error().message;
        server_ = *std::move(server);
    }
    void TearDown() override { unlink(path_.c_str()); }

    // All that the server says to this until it closes.
    std::string answer_to(const std::string& bytes) const { return heard_by(asking(bytes)); }

    // A connection that has said this.
    Fd asking(const std::string& bytes) const {
        Fd client(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        constexpr timeval patience{10, 0};
        setsockopt(client.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path_.copy(address.sun_path, sizeof address.sun_path - 1);
        EXPECT_EQ(connect(client.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
        EXPECT_EQ(send(client.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
        return client;
    }
    // What it hears until it is closed, or has heard this.
    static std::string heard_by(const Fd& client, std::string_view until = "nothing that is ever said") {
        std::string answer;
        std::array<char, 4096> piece;
        while (answer.find(until) == answer.npos) {
            const ssize_t size = recv(client.get(), piece.data(), piece.size(), 0);
            if (size <= 0) break;
            answer.append(piece.data(), static_cast<size_t>(size));
        }
        return answer;
    }
    Fd reader() const { return asking("GET /v1/stream HTTP/1.1\r\nHost: here\r\n\r\n"); }

    // The next piece of the stream, which each reader takes of its own.
    std::string next() {
        const std::lock_guard lock(mutex_);
        return std::exchange(piece_, {});
    }
    void put(const std::string& piece) {
        {
            const std::lock_guard lock(mutex_);
            piece_ = piece;
        }
        server_->wake_streams();
    }

    static std::string post(const std::string& body) {
        return fmt::format(
            "POST /v1/thing?a=b HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{}",
            body.size(), body);
    }

    const std::string path_ = testing::TempDir() + fmt::format("http-{}.sock", getpid());
    HttpRequest last_;  // that was answered
    std::unique_ptr<HttpServer> server_;

private:
    std::mutex mutex_;  // guards what follows
    std::string piece_;
};

TEST_F(Server, HandsOverWhatWasAskedAndByWhom) {
    const std::string body(most_body_bytes, 'x');
    const std::string answer = answer_to(post(body));
    EXPECT_EQ(answer.find("HTTP/1.1 200 OK\r\n"), 0u) << answer.substr(0, 200);
    EXPECT_TRUE(answer.ends_with("got " + body));
    EXPECT_EQ(last_.method, "POST");
    EXPECT_EQ(last_.path, "/v1/thing");
    EXPECT_EQ(last_.query.at("a"), "b");
    EXPECT_EQ(last_.host, "here");
    ASSERT_TRUE(last_.peer);
    EXPECT_EQ(last_.peer->uid, getuid());
    EXPECT_EQ(last_.peer->pid, getpid());
}

TEST_F(Server, RefusesALargeBodyAndAsksNobody) {
    const std::string answer = answer_to(post(std::string(most_body_bytes + 1, 'x')));
    EXPECT_EQ(answer.find("HTTP/1.1 413 "), 0u) << answer.substr(0, 200);
    EXPECT_TRUE(answer.ends_with(R"({"error":"a body may have up to 65536 bytes"})"));
    EXPECT_EQ(last_.method, "");
}

TEST_F(Server, SendsAStreamPieceByPiece) {
    const Fd client = reader();
    const std::string begins = heard_by(client, "first.");  // before there is anything to say
    EXPECT_EQ(begins.find("HTTP/1.1 200 OK\r\n"), 0u) << begins;
    EXPECT_NE(begins.find("Cache-Control: no-store\r\n"), std::string::npos) << begins;
    const std::string large(50'000, 'x');
    for (const std::string& piece : {std::string("one."), large + "two.", std::string("three.")}) {
        put(piece);
        EXPECT_NE(heard_by(client, piece.substr(piece.size() - 4)), "");
    }
    const auto began = std::chrono::steady_clock::now();
    server_.reset();
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(10));
    EXPECT_TRUE(heard_by(client).ends_with("0\r\n\r\n")) << "it ends in order";
}

TEST_F(Server, HasRoomForOthersBesideTheReadersOfStreams) {
    std::vector<Fd> readers;
    for (size_t i = 0; i < HttpStreams::most; ++i) {
        readers.push_back(reader());
        EXPECT_EQ(heard_by(readers.back(), "\r\n\r\n").find("HTTP/1.1 200 "), 0u);
    }
    const auto one_more = [this] { return heard_by(reader(), "\r\n\r\n").substr(0, 12); };
    EXPECT_EQ(one_more(), "HTTP/1.1 503");
    EXPECT_TRUE(answer_to(post("this")).ends_with("got this"));
    readers.pop_back();
    EXPECT_EQ(one_more(), "HTTP/1.1 200") << "who has gone takes no room";
}

TEST_F(Server, DoesNotWaitForAReaderThatTakesNothing) {
    const Fd client = reader();
    const std::string large(10'000'000, 'x');
    put(large);
    EXPECT_TRUE(answer_to(post("this")).ends_with("got this"));
    const auto began = std::chrono::steady_clock::now();
    server_.reset();
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(10)) << "the library would wait for 30";
}

}  // namespace
}  // namespace hairpin
