#include "daemon/api_socket.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <chrono>
#include <vector>

namespace hairpin {
namespace {

// connect() waited there until the other gateway had time, and no signal but SIGKILL ended that.
TEST(ApiSocket, OfAGatewayThatHasNoTimeIsTaken) {
    const std::string path = testing::TempDir() + "busy.sock";
    const auto listening = listen_at(path);
    ASSERT_TRUE(listening) << listening.error().message;
    EXPECT_TRUE(is_served(path));

    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    std::vector<Fd> clients;
    do clients.emplace_back(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    while (connect(clients.back().get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    ASSERT_EQ(errno, EAGAIN) << "the queue is not full";

    const auto second = listen_at(path);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().message, path + ": another hairpin answers there");
}

TEST(ApiSocket, ThatAKilledGatewayLeftIsFree) {
    const std::string path = testing::TempDir() + "left.sock";
    { ASSERT_TRUE(listen_at(path)); }
    EXPECT_FALSE(is_served(path));
    EXPECT_TRUE(listen_at(path));
}

}  // namespace
}  // namespace hairpin
