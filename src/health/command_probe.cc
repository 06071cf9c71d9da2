// A program of the operator's. It leads a process group, which ends with the check: no child of it is left behind.
#include <fcntl.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/fd.h"
#include "health/probe.h"

namespace hairpin::health {
namespace {

std::string describe(const siginfo_t& ended) {
    if (ended.si_code == CLD_EXITED) return "exit status " + std::to_string(ended.si_status);
    const char* signal = sigabbrev_np(ended.si_status);
    return std::string("killed by ") + (signal ? std::string("SIG") + signal : std::to_string(ended.si_status));
}

class CommandProbe final : public Probe {
public:
    CommandProbe(pid_t pid, Fd pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}
    ~CommandProbe() override {
        if (!reaped_) (void)stop();
    }

    int fd() const override { return pidfd_.get(); }

    std::optional<Outcome> advance() override {
        siginfo_t ended{};
        if (waitid(P_PID, static_cast<id_t>(pid_), &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid == 0) {
            return std::nullopt;
        }
        stop();
        if (ended.si_code == CLD_EXITED && ended.si_status == 0) return Outcome::passed();
        return Outcome::failed(describe(ended));
    }

    // The group has its number for as long as its leader is not waited for.
    bool stop() override {
        kill(-pid_, SIGKILL);
        siginfo_t ended{};
        reaped_ = waitid(P_PID, static_cast<id_t>(pid_), &ended, WEXITED | WNOHANG) != 0 || ended.si_pid != 0;
        return reaped_;
    }

private:
    const pid_t pid_;
    const Fd pidfd_;
    bool reaped_ = false;
};

// What posix_spawn() is told: a group of its own, signals as a program expects them, and no descriptor of ours.
class Spawning {
public:
    Spawning() {
        posix_spawnattr_init(&attributes_);
        posix_spawn_file_actions_init(&actions_);
        posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
        posix_spawnattr_setpgroup(&attributes_, 0);
        sigset_t signals;
        sigemptyset(&signals);
        posix_spawnattr_setsigmask(&attributes_, &signals);
        sigaddset(&signals, SIGPIPE);
        posix_spawnattr_setsigdefault(&attributes_, &signals);
        posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        posix_spawn_file_actions_addopen(&actions_, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
        posix_spawn_file_actions_adddup2(&actions_, STDOUT_FILENO, STDERR_FILENO);
        posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1);
    }
    ~Spawning() {
        posix_spawn_file_actions_destroy(&actions_);
        posix_spawnattr_destroy(&attributes_);
    }
    Spawning(const Spawning&) = delete;
    Spawning& operator=(const Spawning&) = delete;

    // 0, or an errno.
    int run(pid_t& pid, const std::vector<std::string>& arguments, const std::vector<std::string>& environment) {
        return posix_spawnp(&pid, arguments[0].c_str(), &actions_, &attributes_, pointers(arguments).data(),
                            pointers(environment).data());
    }

private:
    static std::vector<char*> pointers(const std::vector<std::string>& texts) {
        std::vector<char*> list;
        list.reserve(texts.size() + 1);
        for (const std::string& text : texts) list.push_back(const_cast<char*>(text.c_str()));
        list.push_back(nullptr);
        return list;
    }

    posix_spawnattr_t attributes_{};
    posix_spawn_file_actions_t actions_{};
};

std::vector<std::string> environment_for(const Target& target) {
    std::vector<std::string> environment;
    for (char** variable = environ; *variable; ++variable) environment.emplace_back(*variable);
    const Endpoint asked = target.asked();
    environment.push_back("HAIRPIN_SERVICE=" + target.service);
    environment.push_back("HAIRPIN_BACKEND=" + target.backend.str());
    environment.push_back("HAIRPIN_ADDRESS=" + asked.ip.str());
    environment.push_back("HAIRPIN_PORT=" + std::to_string(asked.port));
    return environment;
}

}  // namespace

Begun begin_command_probe(const Target& target) {
    pid_t pid = 0;
    const std::vector<std::string>& arguments = target.check->command;
    if (const int error_number = Spawning().run(pid, arguments, environment_for(target))) {
        Outcome outcome = Outcome::of_errno(error_number);
        outcome.reason = "cannot run " + arguments[0] + ": " + outcome.reason;
        return {nullptr, std::move(outcome)};
    }
    Fd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
    const int error_number = errno;
    const bool watched = static_cast<bool>(pidfd);
    auto probe = std::make_unique<CommandProbe>(pid, std::move(pidfd));
    if (!watched) return {nullptr, {Outcome::Verdict::undecided, describe_errno(error_number)}};
    return {std::move(probe)};
}

}  // namespace hairpin::health
