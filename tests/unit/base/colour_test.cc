// wants_colour(): a terminal, and nobody who would rather have none (no-color.org).
#include <fcntl.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <utility>

#include "base/colour.h"
#include "base/fd.h"
#include "base/log.h"

namespace hairpin {
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

// What a line of the log looks like on the terminal.
TEST_F(Colour, of_the_log_follows_the_same_rule) {
    ASSERT_EQ(grantpt(terminal_.get()), 0);
    ASSERT_EQ(unlockpt(terminal_.get()), 0);
    const Fd screen(open(ptsname(terminal_.get()), O_RDWR | O_NOCTTY | O_CLOEXEC));
    for (const auto& [no_color, coloured] : {std::pair("1", false), std::pair("", true)}) {
        const pid_t child = fork();
        if (child == 0) {
            setenv("NO_COLOR", no_color, 1);
            setenv("TERM", "xterm", 1);
            dup2(screen.get(), STDERR_FILENO);
            start_log();
            spdlog::info("a line");
            _exit(0);
        }
        std::string line;
        for (char byte = 0; byte != '\n' && read(terminal_.get(), &byte, 1) == 1;) line += byte;
        waitpid(child, nullptr, 0);
        EXPECT_EQ(line.find("\033[") != line.npos, coloured) << line;
    }
}

}  // namespace
}  // namespace hairpin
