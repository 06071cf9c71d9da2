// A program of the operator's. It leads a process group, which ends with the check: no child of it is left behind.
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdlib>
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

// What a new process is to become. It stands in our memory until it has.
struct Program {
    char* const* arguments;
    char* const* environment;
    int error_number = 0;  // why it could not
};

// Runs in the new process, which shares our descriptors at first: those above the standard ones are never copied. A
// copy, as posix_spawn() makes it, would keep a socket that another thread closes in that thread's epoll instance.
int become(void* what) {
    auto& program = *static_cast<Program*>(what);
    sigset_t none;
    sigemptyset(&none);
    setpgid(0, 0);
    std::signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    if (close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_UNSHARE) == 0) {
        const int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
        for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) dup2(nothing, standard);
        execvpe(program.arguments[0], program.arguments, program.environment);
    }
    program.error_number = errno;
    _exit(EXIT_FAILURE);
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
    std::vector<char*> list;
    list.reserve(texts.size() + 1);
    for (const std::string& text : texts) list.push_back(const_cast<char*>(text.c_str()));
    list.push_back(nullptr);
    return list;
}

// Runs a program as the leader of a process group. Returns when it runs, or why it does not.
int run(pid_t& pid, const std::vector<std::string>& arguments, const std::vector<std::string>& environment) {
    constexpr size_t stack_bytes = size_t{256} << 10;
    std::vector<std::max_align_t> stack(stack_bytes / sizeof(std::max_align_t));
    const auto argv = pointers(arguments);
    const auto envp = pointers(environment);
    Program program{argv.data(), envp.data()};
    // Its end is told by SIGCHLD, as that of any child; we go on once it has our memory no more.
    pid = clone(become, stack.data() + stack.size(), CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, &program);
    if (pid < 0) return errno;
    if (program.error_number != 0) waitpid(pid, nullptr, 0);
    return program.error_number;
}

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
    if (const int error_number = run(pid, arguments, environment_for(target))) {
        Outcome outcome = Outcome::of_errno(error_number);
        outcome.reason = "cannot run " + arguments[0] + ": " + outcome.reason;
        return {nullptr, std::move(outcome)};
    }
    Fd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
    const int error_number = errno;
    const bool watched = static_cast<bool>(pidfd);
    auto probe = std::make_unique<CommandProbe>(pid, std::move(pidfd));
    if (!watched) return {nullptr, Outcome::undecided(describe_errno(error_number))};
    return {std::move(probe)};
}

}  // namespace hairpin::health
