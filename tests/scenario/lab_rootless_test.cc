// Anyone may try a configuration: `hairpin lab` needs no privileges, whatever the engine.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <string>

#include "support/binary.h"
#include "support/test_lab.h"

namespace hairpin {
namespace {

// The output of a command run by somebody without privileges, and how it ended.
std::string run_unprivileged(const std::string& command, int& status) {
    // 65534 is nobody everywhere.
    const std::string drop = geteuid() == 0 ? "setpriv --reuid 65534 --regid 65534 --clear-groups " : "";
    FILE* pipe = popen((drop + command + " 2>&1").c_str(), "r");
    if (!pipe) return "popen failed";
    std::string output;
    std::array<char, 4096> buffer{};
    while (const size_t size = fread(buffer.data(), 1, buffer.size(), pipe)) output.append(buffer.data(), size);
    status = pclose(pipe);
    return output;
}

class LabRootless : public testing::TestWithParam<std::string> {};

TEST_P(LabRootless, ProvesTheDefaultExample) {
    if (is_bpf(GetParam())) GTEST_SKIP() << "gap: the kernel lets nobody but the machine's root load its programs";
    int status = -1;
    const std::string output = run_unprivileged(
        hairpin_binary() + " lab " HAIRPIN_SOURCE_DIR "/examples/hairpinning.yaml --engine " + GetParam(), status);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << output;
    EXPECT_EQ(output.find("failed"), output.npos) << output;
    for (const char* path : {"external", "routed", "peer", "self", "local", "direct"}) {
        EXPECT_NE(output.find(path), output.npos) << path << " is missing:\n" << output;
    }
}

INSTANTIATE_TEST_SUITE_P(Every, LabRootless, testing::ValuesIn(engine_names()));

}  // namespace
}  // namespace hairpin
