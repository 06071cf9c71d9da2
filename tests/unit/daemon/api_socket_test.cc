#include "daemon/api_socket.h"

#include <fmt/format.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace hairpin {
namespace {

std::string socket_of_this_process(std::string_view name) {
    return fmt::format("{}{}-{}.sock", testing::TempDir(), name, getpid());
}

// connect() waited there until the other gateway had time, and no signal but SIGKILL ended that.
TEST(ApiSocket, OfAGatewayThatHasNoTimeIsTaken) {
    const std::string path = socket_of_this_process("busy");
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

// A group that a new socket does not have by itself. A user who is in no other has none to give it to.
const group* another_group() {
    std::vector<gid_t> groups(static_cast<size_t>(std::max(getgroups(0, nullptr), 0)));
    (void)getgroups(static_cast<int>(groups.size()), groups.data());
    if (geteuid() == 0) groups = {1};  // "daemon", on every Debian
    for (const gid_t id : groups) {
        if (const group* entry = getgrgid(id); entry && id != getegid()) return entry;
    }
    return getgrgid(getegid());
}

TEST(ApiSocket, IsForAGroupThatThereIs) {
    const std::string path = socket_of_this_process("group");
    const group* wanted = another_group();
    ASSERT_NE(wanted, nullptr);
    const gid_t id = wanted->gr_gid;
    ASSERT_TRUE(listen_at(path, wanted->gr_name));
    struct stat status {};
    ASSERT_EQ(stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_gid, id);
    EXPECT_EQ(status.st_mode & 0777, 0660u);

    const auto unknown = listen_at(path, "no-such-group");
    ASSERT_FALSE(unknown);
    EXPECT_EQ(unknown.error().message, "there is no group no-such-group");
    EXPECT_NE(stat(path.c_str(), &status), 0) << "a socket that nobody serves is left";
}

TEST(ApiSocket, ThatAKilledGatewayLeftIsFree) {
    const std::string path = socket_of_this_process("left");
    { ASSERT_TRUE(listen_at(path)); }
    EXPECT_FALSE(is_served(path));
    EXPECT_TRUE(listen_at(path));
}

}  // namespace
}  // namespace hairpin
