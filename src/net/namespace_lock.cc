#include "net/namespace_lock.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>

// Theory of operation.
//
// The lock is a listening Unix socket with an abstract name: the kernel keeps these names for each network namespace,
// and frees one with the last descriptor. Who finds it taken connects: that tells the owner's process id, and the
// connection hangs up when the owner ends. A killed process still owns its sockets while its memory is taken away.

namespace hairpin {
namespace {

constexpr int grace_ms = 1000;
constexpr int most_tries = 8;  // to meet an owner: it may go before we connect
constexpr int backlog = 128;   // of those whom nobody will ever accept

struct Name {
    sockaddr_un address{};
    socklen_t size = 0;

    explicit Name(std::string_view name) {
        address.sun_family = AF_UNIX;
        size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.copy(address.sun_path + 1, 100));
    }
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address); }
};

Fd open_unix_socket() { return Fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)); }

pid_t peer_of(const Fd& connected) {
    ucred process{};
    socklen_t size = sizeof process;
    getsockopt(connected.get(), SOL_SOCKET, SO_PEERCRED, &process, &size);
    return process.pid;
}

Error held_by(pid_t owner) {
    constexpr std::string_view what = "serves this network namespace: stop it first, and it takes everything with it";
    if (owner <= 0) return {fmt::format("another hairpin {} (systemctl stop hairpin)", what)};
    return {fmt::format("process {} {} (systemctl stop hairpin, or kill {})", owner, what, owner)};
}

}  // namespace

Result<> NamespaceLock::take() {
    if (socket_) return {};
    const Name at(name_);
    for (int tries = 0; tries < most_tries; ++tries) {
        Fd ours = open_unix_socket();
        if (ours && bind(ours.get(), at.get(), at.size) == 0 && listen(ours.get(), backlog) == 0) {
            socket_ = std::move(ours);
            return {};
        }
        if (errno != EADDRINUSE) return system_error("the lock @" + name_);
        const Fd owner = open_unix_socket();
        if (connect(owner.get(), at.get(), at.size) != 0) continue;
        pollfd gone{.fd = owner.get(), .events = 0, .revents = 0};
        if (poll(&gone, 1, grace_ms) == 0) return held_by(peer_of(owner));
    }
    return held_by(0);
}

std::optional<pid_t> NamespaceLock::owner() const {
    const Name at(name_);
    const Fd owner = open_unix_socket();
    if (connect(owner.get(), at.get(), at.size) == 0) return peer_of(owner);
    return errno == EAGAIN ? std::optional(0) : std::nullopt;  // nobody accepts: its queue is full of those who asked
}

}  // namespace hairpin
