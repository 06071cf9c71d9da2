// wants_colour(): a terminal, and nobody who would rather have none (no-color.org).
#include <fcntl.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/fd.h"
#include "lab/report.h"

namespace hairpin::lab {
namespace {

class Colour : public testing::Test {
protected:
    void SetUp() override {
        unsetenv("NO_COLOR");
        terminal_ = Fd(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
        ASSERT_TRUE(terminal_);
    }
    void TearDown() override { unsetenv("NO_COLOR"); }

    Fd terminal_;
};

TEST_F(Colour, is_for_a_terminal) {
    EXPECT_TRUE(wants_colour(terminal_.get()));
    const Fd file(open("/dev/null", O_WRONLY | O_CLOEXEC));
    EXPECT_FALSE(wants_colour(file.get()));
}

TEST_F(Colour, is_not_for_who_sets_no_color) {
    setenv("NO_COLOR", "1", 1);
    EXPECT_FALSE(wants_colour(terminal_.get()));
    setenv("NO_COLOR", "", 1);  // as good as not set
    EXPECT_TRUE(wants_colour(terminal_.get()));
}

}  // namespace
}  // namespace hairpin::lab
