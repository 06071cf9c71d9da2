// Each NAME.yaml here is refused with exactly the lines of NAME.expected.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "config/config.h"

namespace hairpin {
namespace {

const std::filesystem::path folder = HAIRPIN_SOURCE_DIR "/tests/golden/config";

std::string contents(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    EXPECT_TRUE(file) << path;
    return {std::istreambuf_iterator<char>(file), {}};
}

TEST(ConfigErrors, AreExactlyAsExpected) {
    int files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        if (entry.path().extension() != ".yaml") continue;
        ++files;
        const Config config = parse_config(contents(entry.path()), entry.path().filename());
        std::string errors;
        for (const Diagnostic& error : config.errors) errors += error.str() + "\n";
        EXPECT_EQ(errors, contents(std::filesystem::path(entry.path()).replace_extension(".expected")));
        EXPECT_NE(errors, "") << entry.path() << " is accepted";
        EXPECT_TRUE(config.services.empty()) << "a refused file is refused whole";
    }
    EXPECT_GT(files, 15);
}

}  // namespace
}  // namespace hairpin
