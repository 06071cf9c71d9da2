// Programs that nobody here wrote, as servers and clients on the hosts of a lab.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lab/process.h"

namespace hairpin {

// Where a program is installed; empty: nowhere.
std::string path_of(const std::string& program);

// Skips the running test where one of them is not installed; with CI set, where all must be, fails it. After either the
// caller must return.
void need_programs(const std::vector<std::string>& programs);

// Gone with this object, and with all that is in it.
class TemporaryDirectory {
public:
    TemporaryDirectory();
    ~TemporaryDirectory();
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

    std::string operator/(std::string_view name) const { return path_ / name; }

private:
    std::filesystem::path path_;
};

// argv, to be run by a user without privileges, whoever we are: "nobody" with our rights to our files.
std::vector<std::string> unprivileged(std::vector<std::string> argv);

// A server that has written `ready`. Null, with the test failed, where it does not.
std::unique_ptr<lab::Process> start_server(const lab::Host& host, const std::vector<std::string>& argv,
                                           std::string_view ready);

// How a program ended: its exit status, -1 where it has none, and all that it wrote.
struct Outcome {
    int status = -1;
    std::string output;
};
Outcome outcome_of(const lab::Host& host, const std::vector<std::string>& argv,
                   std::chrono::milliseconds timeout = std::chrono::minutes(1));

// What a program writes until it ends. The test fails where it does not end with exit status 0.
std::string output_of(const lab::Host& host, const std::vector<std::string>& argv,
                      std::chrono::milliseconds timeout = std::chrono::minutes(1));

// Whether a process is gone, and its sockets with it, though its parent may not have looked yet. Its first thread may
// be gone long before the last one, which takes the memory away and then closes them.
bool has_ended(pid_t process);

}  // namespace hairpin
