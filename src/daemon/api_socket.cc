#include "daemon/api_socket.h"

#include <fmt/format.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <optional>

#include "daemon/process.h"

namespace hairpin {
namespace {

constexpr mode_t for_owner_and_group = 0660;
constexpr int backlog = 16;

// Nothing: the path is too long for a socket.
std::optional<sockaddr_un> address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) return std::nullopt;
    path.copy(address.sun_path, path.size());
    return address;
}

// Gives a socket to a group, which its user must be in, or else be root. The packaged service, which
// may not ask for such a thing, has that group itself.
Result<> give_to(const std::string& path, const std::string& group) {
    const ::group* entry = getgrnam(group.c_str());
    if (!entry) return Error{"there is no group " + group};
    if (struct stat now{}; stat(path.c_str(), &now) == 0 && now.st_gid == entry->gr_gid) return {};
    if (chown(path.c_str(), static_cast<uid_t>(-1), entry->gr_gid) == 0) return {};
    return system_error(path + " cannot be given to the group " + group +
                        ", which the user of hairpin must be in (of a service of systemd: Group=" + group + ")");
}

Fd open_unix_socket(int flags = 0) { return Fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0)); }

const sockaddr* generic(const sockaddr_un& address) { return reinterpret_cast<const sockaddr*>(&address); }

}  // namespace

std::string default_api_socket() {
    if (const std::string folder = folder_in("RUNTIME_DIRECTORY"); !folder.empty()) return folder + "/hairpin.sock";
    if (geteuid() == 0) return system_socket;
    const std::string folder = folder_in("XDG_RUNTIME_DIR");
    return folder.empty() ? "" : folder + "/hairpin.sock";
}

bool is_served(const std::string& path) {
    const auto address = address_of(path);
    const Fd socket = open_unix_socket(SOCK_NONBLOCK);
    if (!address || !socket) return false;
    return connect(socket.get(), generic(*address), sizeof *address) == 0 || errno == EAGAIN;  // its queue is full
}

Result<Fd> listen_at(const std::string& path, const std::string& group) {
    const auto address = address_of(path);
    if (!address) return Error{path + ": too long for the path of a socket"};
    if (is_served(path)) return Error{path + ": another hairpin answers there"};
    std::error_code ignored;  // bind() says what matters
    const std::filesystem::path folder = std::filesystem::path(path).parent_path();
    if (!folder.empty()) std::filesystem::create_directory(folder, ignored);
    if (std::filesystem::is_socket(path, ignored)) std::filesystem::remove(path, ignored);

    Fd socket = open_unix_socket();
    // Nobody else may connect in the moment before chmod().
    const mode_t usual = umask(0777 & ~for_owner_and_group);
    const bool bound = socket && bind(socket.get(), generic(*address), sizeof *address) == 0;
    const int error_number = errno;
    umask(usual);
    if (!bound) return system_error(path, error_number);
    if (!group.empty()) {
        if (const auto given = give_to(path, group); !given) {
            std::filesystem::remove(path, ignored);
            return given.error();
        }
    }
    if (listen(socket.get(), backlog) != 0) return system_error(path);
    return socket;
}

}  // namespace hairpin
