// How long a client listens to an answer that goes on.
#include "cli/api_client.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/fd.h"
#include "daemon/api_socket.h"
#include "daemon/http_server.h"

namespace hairpin {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

// A gateway that says a word at once, and then only what it is made to.
class AStream : public testing::Test {
protected:
    void SetUp() override {
        client_.socket = testing::TempDir() + fmt::format("stream-{}.sock", getpid());
        auto listening = listen_at(client_.socket);
        ASSERT_TRUE(listening) << listening.error().message;
        auto server = HttpServer::start(*std::move(listening), [this](const HttpRequest&) {
            const auto next = [this] { return is_due_.exchange(false) ? "more." : ""; };
            return HttpResponse{.stream = HttpStream{.first = "first.", .next = next, .heartbeat = "unasked."}};
        });
        ASSERT_TRUE(server) << server.error().message;
        server_ = *std::move(server);
    }
    void TearDown() override { unlink(client_.socket.c_str()); }

    void say_more() {
        is_due_ = true;
        server_->wake_streams();
    }

    ApiClient client_;

private:
    std::atomic<bool> is_due_ = false;
    std::unique_ptr<HttpServer> server_;
};

TEST_F(AStream, ThatIsSilentIsGivenUp) {
    client_.longest_silence = 1s;
    std::string heard;
    const auto take = [&](std::string_view piece) {
        heard += piece;
        return true;
    };
    const auto began = steady_clock::now();
    const auto ended = client_.follow("/v1/events", {}, take, [] { return false; }, {});
    EXPECT_GE(steady_clock::now() - began, client_.longest_silence);
    EXPECT_EQ(heard, "first.");
    ASSERT_FALSE(ended);
    EXPECT_EQ(ended.error().message.find(fmt::format("nothing came from {} for 1 s: ", client_.socket)), 0u)
        << ended.error().message;
}

// Ten words a second, for longer than there may be silence.
TEST_F(AStream, ThatSaysLittleIsNot) {
    client_.longest_silence = 2s;
    const Fd ticks(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
    constexpr timespec tenth{0, 100'000'000};
    const itimerspec each{tenth, tenth};
    ASSERT_EQ(timerfd_settime(ticks.get(), 0, &each, nullptr), 0);
    const auto tick = [&] {
        uint64_t count = 0;
        if (read(ticks.get(), &count, sizeof count) > 0) say_more();
        return false;
    };
    const auto until = steady_clock::now() + 2 * client_.longest_silence;
    const auto ended = client_.follow("/v1/events", {}, [&](std::string_view) { return steady_clock::now() < until; },
                                      tick, {{ticks.get(), POLLIN, 0}});
    EXPECT_TRUE(ended) << ended.error().message;
    EXPECT_GE(steady_clock::now(), until);
}

}  // namespace
}  // namespace hairpin
