// A lock of a network namespace: one holder, whose name the others are told, and none once it is gone.
#include "net/namespace_lock.h"

#include <poll.h>
#include <sys/un.h>

#include <array>
#include <cstddef>
#include <optional>
#include <vector>

#include "kernel/namespace.h"

namespace hairpin {
namespace {

using ALock = InNamespace;

TEST_F(ALock, HasOneHolderUntilThatLetsGo) {
    alone([] {
        std::optional<NamespaceLock> lock("test");
        ASSERT_TRUE(lock->take());
        EXPECT_TRUE(lock->take()) << "once more";
        const auto second = NamespaceLock("test").take();
        ASSERT_FALSE(second);
        EXPECT_EQ(second.error().message.find("process " + std::to_string(getpid()) + " serves"), 0u)
            << second.error().message;
        EXPECT_TRUE(NamespaceLock("other").take());
        lock.reset();
        EXPECT_TRUE(NamespaceLock("test").take());
    });
}

TEST_F(ALock, IsOfItsNamespaceOnly) {
    alone([] {
        NamespaceLock lock("test");
        ASSERT_TRUE(lock.take());
        ASSERT_EQ(unshare(CLONE_NEWNET), 0);
        EXPECT_TRUE(NamespaceLock("test").take());
    });
}

// As a killed process does while the kernel takes its memory away.
TEST_F(ALock, OfAProcessThatIsEndingIsWaitedFor) {
    alone([] {
        std::array<int, 2> ready{};
        ASSERT_EQ(pipe(ready.data()), 0);
        const pid_t holder = fork();
        if (holder == 0) {
            NamespaceLock lock("test");
            EXPECT_TRUE(lock.take());
            write(ready[1], "", 1);
            poll(nullptr, 0, 10);
            _exit(0);
        }
        char byte = 0;
        ASSERT_EQ(read(ready[0], &byte, 1), 1);
        EXPECT_TRUE(NamespaceLock("test").take());
        waitpid(holder, nullptr, 0);
    });
}

// Each that asked is a connection that nobody accepts, and there is an end to these.
TEST_F(ALock, IsRefusedHoweverManyAskedBefore) {
    alone([] {
        NamespaceLock lock("test");
        ASSERT_TRUE(lock.take());
        sockaddr_un address{AF_UNIX, {}};
        std::string("test").copy(address.sun_path + 1, 4);
        std::vector<Fd> others;
        do others.emplace_back(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        while (connect(others.back().get(), reinterpret_cast<sockaddr*>(&address),
                       offsetof(sockaddr_un, sun_path) + 5) == 0);
        ASSERT_EQ(errno, EAGAIN);
        const auto second = NamespaceLock("test").take();
        ASSERT_FALSE(second);
        EXPECT_EQ(second.error().message.find("another hairpin serves"), 0u) << second.error().message;
    });
}

}  // namespace
}  // namespace hairpin
