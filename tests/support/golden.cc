#include "support/golden.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

namespace hairpin {

std::string read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    EXPECT_TRUE(file) << path << " is missing";
    return {std::istreambuf_iterator<char>(file), {}};
}

void expect_golden(const std::string& name, const std::string& actual) {
    const std::string path = HAIRPIN_SOURCE_DIR "/tests/golden/" + name;
    if (std::getenv("UPDATE_GOLDEN")) {
        std::ofstream(path) << actual;
        FAIL() << path << " is written: look at the difference, then run without UPDATE_GOLDEN";
    }
    EXPECT_EQ(actual, read_file(path)) << path;
}

}  // namespace hairpin
