#include "support/program.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <sstream>

#include "support/test_lab.h"

namespace hairpin {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> program_folders() {
    std::vector<fs::path> folders;
    // Ahead of PATH: Debian's /usr/bin/psql is a script that looks for a cluster of the system first.
    std::error_code missing;
    for (const auto& version : fs::directory_iterator("/usr/lib/postgresql", missing)) {
        folders.push_back(version.path() / "bin");
    }
    std::ranges::sort(folders, std::greater());
    const char* path = std::getenv("PATH");
    std::istringstream list(path ? path : "");
    for (std::string folder; std::getline(list, folder, ':');) folders.emplace_back(folder);
    folders.emplace_back("/usr/sbin");  // on root's PATH only
    return folders;
}

std::string words_of(const std::vector<std::string>& argv) {
    std::string line;
    for (const std::string& word : argv) line += (line.empty() ? "" : " ") + word;
    return line;
}

}  // namespace

std::string path_of(const std::string& program) {
    for (const fs::path& folder : program_folders()) {
        if (access((folder / program).c_str(), X_OK) == 0) return folder / program;
    }
    return {};
}

void need_programs(const std::vector<std::string>& programs) {
    std::string missing;
    for (const std::string& program : programs) {
        if (path_of(program).empty()) missing += " " + program;
    }
    if (missing.empty()) return;
    if (std::getenv("CI")) FAIL() << "not installed:" << missing << "; see tools/setup";
    GTEST_SKIP() << "not installed:" << missing << "; tools/setup would";
}

TemporaryDirectory::TemporaryDirectory() {
    std::string name = testing::TempDir() + "hairpin-XXXXXX";
    EXPECT_NE(mkdtemp(name.data()), nullptr) << name;
    path_ = name;
}

TemporaryDirectory::~TemporaryDirectory() {
    std::error_code error;
    fs::remove_all(path_, error);
    EXPECT_FALSE(error) << path_ << ": " << error.message();
}

std::vector<std::string> unprivileged(std::vector<std::string> argv) {
    // A user namespace rather than setpriv(1): it serves root and everyone else, the files remain ours, and the kernel
    // still kills the program when we end.
    const std::vector<std::string> prefix = {"unshare", "--user", "--map-user=65534", "--map-group=65534", "--"};
    argv.insert(argv.begin(), prefix.begin(), prefix.end());
    return argv;
}

std::unique_ptr<lab::Process> start_server(const lab::Host& host, const std::vector<std::string>& argv,
                                           std::string_view ready) {
    auto started = lab::Process::start(host, argv);
    if (!started) {
        ADD_FAILURE() << started.error().message;
        return nullptr;
    }
    if ((*started)->wait_for_output(ready, patience)) return *std::move(started);
    ADD_FAILURE() << words_of(argv) << "\nis not ready:\n" << (*started)->output();
    return nullptr;
}

Outcome outcome_of(const lab::Host& host, const std::vector<std::string>& argv, std::chrono::milliseconds timeout) {
    const auto started = lab::Process::start(host, argv);
    if (!started) return {-1, started.error().message};
    // The output is whole at its end, and text never holds this byte.
    (*started)->wait_for_output(std::string_view("\0", 1), timeout);
    const auto status = (*started)->wait(patience);
    return {status && WIFEXITED(*status) ? WEXITSTATUS(*status) : -1, (*started)->output()};
}

std::string output_of(const lab::Host& host, const std::vector<std::string>& argv, std::chrono::milliseconds timeout) {
    const Outcome outcome = outcome_of(host, argv, timeout);
    EXPECT_EQ(outcome.status, 0) << words_of(argv) << "\n" << outcome.output;
    return outcome.output;
}

bool has_ended(pid_t process) {
    const std::string folder = "/proc/" + std::to_string(process);
    std::ifstream status(folder + "/stat");
    std::string line;
    if (!std::getline(status, line)) return true;
    std::error_code gone;
    const fs::directory_iterator threads(folder + "/task", gone);
    return line.find(") Z ") != line.npos && (gone || std::distance(begin(threads), end(threads)) == 1);
}

}  // namespace hairpin
