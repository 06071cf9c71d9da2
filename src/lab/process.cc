#include "lab/process.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

namespace hairpin::lab {
namespace {

std::vector<char*> pointers(const std::vector<std::string>& argv) {
    std::vector<char*> list;
    list.reserve(argv.size() + 1);
    for (const std::string& word : argv) list.push_back(const_cast<char*>(word.c_str()));
    list.push_back(nullptr);
    return list;
}

// In the child of a process with threads: system calls only. Exits 127, as shells do, where nothing could be run.
[[noreturn]] void become(int netns, pid_t parent, char* const* argv) {
    const bool moved = setns(netns, CLONE_NEWNET) == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0;
    if (moved && getppid() == parent) execvp(argv[0], argv);
    for (const std::string_view part : {std::string_view(argv[0]), std::string_view(": cannot be run\n")}) {
        [[maybe_unused]] const auto written = write(STDERR_FILENO, part.data(), part.size());
    }
    _exit(127);
}

}  // namespace

Result<std::unique_ptr<Process>> Process::start(const Host& host, const std::vector<std::string>& argv) {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) return system_error("a pipe");
    Fd ours(ends[0]);
    const Fd theirs(ends[1]);
    if (fcntl(ours.get(), F_SETFL, O_NONBLOCK) != 0) return system_error("a pipe");
    const std::vector<char*> list = pointers(argv);
    const pid_t parent = getpid();
    const pid_t child = fork();
    if (child < 0) return system_error("fork");
    if (child == 0) {
        setpgid(0, 0);  // Ctrl-C on the terminal is not for it
        dup2(theirs.get(), STDOUT_FILENO);
        dup2(theirs.get(), STDERR_FILENO);
        become(host.netns(), parent, list.data());
    }
    std::unique_ptr<Process> process(new Process);
    process->pid_ = child;
    process->stop_ = Fd(eventfd(0, EFD_CLOEXEC));
    process->pidfd_ = Fd(static_cast<int>(syscall(SYS_pidfd_open, child, 0)));
    process->pipe_ = std::move(ours);
    process->reader_ = std::thread(&Process::read_output, process.get());
    return process;
}

Process::~Process() {
    if (!status_) {
        kill(-pid_, SIGKILL);  // its children, too
        int status = 0;
        waitpid(pid_, &status, 0);
    }
    // A child that left the process group may hold the pipe open for ever.
    eventfd_write(stop_.get(), 1);
    reader_.join();
}

void Process::read_output() {
    for (;;) {
        std::array<pollfd, 2> ready = {pollfd{pipe_.get(), POLLIN, 0}, pollfd{stop_.get(), POLLIN, 0}};
        if (poll(ready.data(), ready.size(), -1) < 0) continue;  // a signal
        if (ready[0].revents == 0) return;                       // told to stop
        const std::lock_guard lock(mutex_);
        take_output();
        changed_.notify_all();
        if (ended_) return;
    }
}

void Process::take_output() const {
    std::array<char, 4096> buffer;
    while (!ended_) {
        const ssize_t size = read(pipe_.get(), buffer.data(), buffer.size());
        if (size < 0 && errno == EINTR) continue;
        if (size < 0 && errno == EAGAIN) return;
        if (size > 0) output_.append(buffer.data(), static_cast<size_t>(size));
        ended_ = size <= 0;
    }
}

bool Process::wait_for_output(std::string_view text, std::chrono::milliseconds timeout) const {
    std::unique_lock lock(mutex_);
    size_t begin = 0;  // nothing before it has to be searched again
    const auto found = [&] {
        const size_t at = output_.find(text, begin);
        begin = at != std::string::npos ? at : output_.size() - std::min(output_.size(), text.size());
        return at != std::string::npos;
    };
    changed_.wait_for(lock, timeout, [&] { return found() || ended_; });
    return found();
}

// The reader may not have come to it yet.
std::string Process::output() const {
    const std::lock_guard lock(mutex_);
    take_output();
    changed_.notify_all();
    return output_;
}

void Process::signal(int number) const { kill(pid_, number); }

std::optional<int> Process::wait(std::chrono::milliseconds timeout) {
    if (status_) return status_;
    pollfd ended{pidfd_.get(), POLLIN, 0};
    if (poll(&ended, 1, static_cast<int>(timeout.count())) != 1) return std::nullopt;
    int status = 0;
    if (waitpid(pid_, &status, 0) != pid_) return std::nullopt;
    status_ = status;
    return status_;
}

Result<> run_interactive(const Host& host, const std::vector<std::string>& argv) {
    const std::vector<char*> list = pointers(argv);
    const pid_t parent = getpid();
    const auto interrupt = std::signal(SIGINT, SIG_IGN);
    const auto quit = std::signal(SIGQUIT, SIG_IGN);
    const pid_t child = fork();
    if (child == 0) {
        std::signal(SIGINT, SIG_DFL);
        std::signal(SIGQUIT, SIG_DFL);
        become(host.netns(), parent, list.data());
    }
    int status = 0;
    const bool ran = child > 0 && waitpid(child, &status, 0) == child;
    std::signal(SIGINT, interrupt);
    std::signal(SIGQUIT, quit);
    if (!ran) return system_error("fork");
    return {};
}

}  // namespace hairpin::lab
