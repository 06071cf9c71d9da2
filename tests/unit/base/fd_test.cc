// Fd closes what it owns, once.
#include "base/fd.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cerrno>

namespace hairpin {
namespace {

Fd open_null() { return Fd(open("/dev/null", O_RDONLY | O_CLOEXEC)); }

bool is_open(int fd) { return fcntl(fd, F_GETFD) >= 0 || errno != EBADF; }

TEST(Fd, OwnsNothingAtFirst) {
    const Fd fd;
    EXPECT_FALSE(fd);
    EXPECT_EQ(fd.get(), -1);
}

TEST(Fd, ClosesAtTheEndOfItsLife) {
    int number = -1;
    {
        const Fd fd = open_null();
        ASSERT_TRUE(fd);
        number = fd.get();
        EXPECT_TRUE(is_open(number));
    }
    EXPECT_FALSE(is_open(number));
}

TEST(Fd, PassesOwnershipOn) {
    Fd first = open_null();
    const int number = first.get();
    Fd second = std::move(first);
    EXPECT_FALSE(first);
    EXPECT_EQ(second.get(), number);

    Fd third = open_null();
    const int closed = third.get();
    third = std::move(second);
    EXPECT_EQ(third.get(), number);
    EXPECT_FALSE(is_open(closed));
    EXPECT_TRUE(is_open(number));
}

TEST(Fd, SurvivesBeingMovedToItself) {
    Fd fd = open_null();
    Fd& same = fd;
    fd = std::move(same);
    EXPECT_TRUE(is_open(fd.get()));
}

TEST(Fd, ReleasesWithoutClosing) {
    Fd fd = open_null();
    const Fd other(fd.release());
    EXPECT_FALSE(fd);
    EXPECT_TRUE(is_open(other.get()));
}

TEST(Fd, ResetClosesAtOnceAndOnlyOnce) {
    Fd fd = open_null();
    const int number = fd.get();
    fd.reset();
    EXPECT_FALSE(is_open(number));
    const Fd reused = open_null();  // the lowest free number: the same one
    ASSERT_EQ(reused.get(), number);
    fd.reset();
    EXPECT_TRUE(is_open(number));
}

}  // namespace
}  // namespace hairpin
