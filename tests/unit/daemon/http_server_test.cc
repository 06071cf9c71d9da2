#include "daemon/http_server.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

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
            return HttpResponse{.body = "got " + request.body};
        });
        ASSERT_TRUE(server) << server.error().message;
        server_ = *std::move(server);
    }
    void TearDown() override { unlink(path_.c_str()); }

    // All that the server says to this until it closes.
    std::string answer_to(const std::string& bytes) const {
        const Fd client(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path_.copy(address.sun_path, sizeof address.sun_path - 1);
        EXPECT_EQ(connect(client.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
        EXPECT_EQ(send(client.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
        std::string answer;
        std::array<char, 4096> piece;
        for (ssize_t size; (size = recv(client.get(), piece.data(), piece.size(), 0)) > 0;) {
            answer.append(piece.data(), static_cast<size_t>(size));
        }
        return answer;
    }

    static std::string post(const std::string& body) {
        return fmt::format(
            "POST /v1/thing?a=b HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{}",
            body.size(), body);
    }

    const std::string path_ = testing::TempDir() + fmt::format("http-{}.sock", getpid());
    HttpRequest last_;  // that was answered
    std::unique_ptr<HttpServer> server_;
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

}  // namespace
}  // namespace hairpin
