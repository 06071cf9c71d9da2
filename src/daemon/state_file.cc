#include "daemon/state_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

namespace hairpin {
namespace {

constexpr size_t most_bytes = 16 << 20;

Fd open_to_read(const std::string& path) {
    return Fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
}

// Writes a draft, has it `made_ready`, which says whether it could, and puts it in place.
Result<Fd> replace(const std::string& path, std::string_view text, bool (*made_ready)(int file)) {
    const std::string draft = path + ".new";
    unlink(draft.c_str());
    Fd file(open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file) return system_error(path + " cannot be written");
    errno = ENOSPC;  // which a short write does not say
    if (::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()) && made_ready(file.get()) &&
        rename(draft.c_str(), path.c_str()) == 0) {
        return file;
    }
    const int error_number = errno;
    unlink(draft.c_str());
    return system_error(path + " cannot be written", error_number);
}

// Whether the open file is the one that is there by now.
bool is_in_place(const Fd& file, const std::string& path) {
    struct stat ours {};
    struct stat there {};
    return fstat(file.get(), &ours) == 0 && stat(path.c_str(), &there) == 0 && ours.st_ino == there.st_ino;
}

}  // namespace

Result<std::string> read_state(const std::string& path) {
    const Fd file = open_to_read(path);
    if (!file && errno == ENOENT) return std::string();
    struct stat status {};
    if (!file || fstat(file.get(), &status) != 0) return system_error(path + ": it cannot be read");
    if (!S_ISREG(status.st_mode) || (status.st_uid != geteuid() && status.st_uid != 0)) {
        return Error{path + ": it is another user's, or no file: it is not read"};
    }
    std::string text(std::min(static_cast<size_t>(status.st_size), most_bytes), '\0');
    const ssize_t length = ::read(file.get(), text.data(), text.size());
    if (length < 0) return system_error(path + ": it cannot be read");
    text.resize(static_cast<size_t>(length));
    return text;
}

Result<> write_state(const std::string& path, std::string_view text) {
    const auto written = replace(path, text, [](int file) { return fsync(file) == 0; });
    return written ? Result<>() : written.error();
}

Result<Fd> hold_state(const std::string& path, std::string_view text) {
    return replace(path, text, [](int file) { return flock(file, LOCK_EX | LOCK_NB) == 0; });
}

// Who replaces a file lets go of the one before.
bool is_held(const std::string& path) {
    const Fd file = open_to_read(path);
    if (!file) return false;
    if (flock(file.get(), LOCK_SH | LOCK_NB) != 0) return errno == EWOULDBLOCK;
    return !is_in_place(file, path);
}

}  // namespace hairpin
