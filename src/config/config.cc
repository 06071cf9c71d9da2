#include "config/config.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/fd.h"
#include "config/yaml.h"

namespace hairpin {
namespace {

// For a pipe that nobody writes to.
constexpr std::chrono::seconds read_deadline{10};

// Until it can be read or its last writer has left; a pipe that no writer has opened yet is neither.
Result<> wait_readable(int fd, std::chrono::steady_clock::time_point deadline) {
    const auto left = deadline - std::chrono::steady_clock::now();
    const auto left_ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
    pollfd readable{fd, POLLIN, 0};
    const int ready = ::poll(&readable, 1, static_cast<int>(std::max<int64_t>(left_ms, 0)));
    if (ready < 0 && errno != EINTR) return system_error("cannot wait for it");
    if (ready == 0) return Error{"has not come to its end within " + std::to_string(read_deadline.count()) + " s"};
    return {};
}

Result<std::string> read_text(const std::string& path) {
    // O_NONBLOCK: opening a pipe must not wait for its writer.
    const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    if (!file && errno == ENOENT) return Error{"there is no such file; name another one"};
    if (!file) return system_error("cannot open it");
    struct stat status {};
    if (::fstat(file.get(), &status) != 0) return system_error("cannot read it");
    if (S_ISDIR(status.st_mode)) return Error{"is a directory: name the file in it"};
    if (!S_ISREG(status.st_mode) && !S_ISFIFO(status.st_mode)) return Error{"is neither a file nor a pipe"};
    const Error too_large{"larger than " + std::to_string(yaml::max_bytes >> 20) + " MiB"};
    if (static_cast<uint64_t>(status.st_size) > yaml::max_bytes) return too_large;

    const auto deadline = std::chrono::steady_clock::now() + read_deadline;
    std::string text;
    std::array<char, 65536> chunk;
    if (S_ISFIFO(status.st_mode)) {
        if (const auto ready = wait_readable(file.get(), deadline); !ready) return ready.error();
    }
    while (true) {
        const ssize_t got = ::read(file.get(), chunk.data(), chunk.size());
        if (got == 0) return text;
        if (got > 0) {
            text.append(chunk.data(), static_cast<size_t>(got));
            if (text.size() > yaml::max_bytes) return too_large;
        } else if (errno == EAGAIN) {
            if (const auto ready = wait_readable(file.get(), deadline); !ready) return ready.error();
        } else if (errno != EINTR) {
            return system_error("cannot read it");
        }
    }
}

}  // namespace

std::string Diagnostic::str() const {
    std::string place = origin;
    if (line > 0) place += ":" + std::to_string(line) + ":" + std::to_string(column);
    return place + ": " + message;
}

Diagnostic Config::at(const Place& place, std::string message) const {
    const Mark* mark = nullptr;
    for (const Place& candidate : {place, Place{place.service, place.key}, Place{of_defaults, place.key, place.index},
                                   Place{of_defaults, place.key}, Place{place.service}}) {
        const auto found = std::ranges::lower_bound(marks, candidate, {}, &Mark::place);
        if (found == marks.end() || found->place != candidate) continue;
        mark = &*found;
        break;
    }
    if (!mark) return {origin, 0, 0, std::move(message)};
    message = mark->label + ": " + message;
    if (mark->column == 0) return {"argument " + std::to_string(mark->line), 0, 0, std::move(message)};
    return {origin, mark->line, mark->column, std::move(message)};
}

Config load_config(const std::string& path, std::string* text) {
    auto read = read_text(path);
    if (read) {
        Config config = parse_config(*read, path);
        if (text) *text = *std::move(read);
        return config;
    }
    Config config;
    config.origin = path.empty() ? "''" : path;
    config.errors = {{config.origin, 0, 0, read.error().message}};
    return config;
}

}  // namespace hairpin
