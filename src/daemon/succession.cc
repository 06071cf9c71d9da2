#include "daemon/succession.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace hairpin {
namespace {

// Names the descriptor on which a predecessor talks to us.
constexpr const char* variable = "HAIRPIN_PREDECESSOR";
constexpr int line_of_successor = 3;

// What is said on the line, a message each.
constexpr std::string_view may_i_begin = "?";
constexpr std::string_view begin = "!";
constexpr std::string_view we_serve = ".";
constexpr std::string_view we_cannot = "-";  // and why, in words
constexpr size_t longest_message = 4096;

using std::chrono::steady_clock;

constexpr std::chrono::seconds patience{25};  // less than systemd's watchdog has with us

Result<> say(int line, std::string_view message) {
    if (::send(line, message.data(), message.size(), MSG_NOSIGNAL) >= 0) return {};
    return system_error("the line to the other hairpin");
}

// The next message; empty: the other end is closed.
std::string listen(int line) {
    std::string message(longest_message, '\0');
    ssize_t got = 0;
    do {
        got = ::recv(line, message.data(), message.size(), 0);
    } while (got < 0 && errno == EINTR);
    message.resize(static_cast<size_t>(std::max<ssize_t>(got, 0)));
    return message;
}

bool is_readable_by(int fd, steady_clock::time_point deadline) {
    pollfd readable{fd, POLLIN, 0};
    int ready = 0;
    do {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - steady_clock::now()).count();
        ready = poll(&readable, 1, static_cast<int>(std::max<long>(left, 0)));
    } while (ready < 0 && errno == EINTR);
    return ready > 0;
}

Error ended() { return {"the new hairpin ended before it served; its log says why"}; }

// Ours, but for what is about this very process.
std::vector<std::string> environment() {
    std::vector<std::string> kept;
    for (char** entry = environ; *entry; ++entry) {
        const std::string text = *entry;
        if (!text.starts_with("WATCHDOG_PID=") && !text.starts_with(variable)) kept.push_back(text);
    }
    kept.push_back(fmt::format("{}={}", variable, line_of_successor));
    return kept;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> list;
    list.reserve(texts.size() + 1);
    for (std::string& text : texts) list.push_back(text.data());
    list.push_back(nullptr);
    return list;
}

// The daemon keeps its signals for itself; a new process is to begin as any other does.
Result<pid_t> spawn(const CommandLine& program, int line) {
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, line, line_of_successor);

    std::vector<std::string> arguments = program.arguments;
    std::vector<std::string> variables = environment();
    pid_t pid = 0;
    const int failure = posix_spawn(&pid, program.file.c_str(), &actions, &attributes, pointers(arguments).data(),
                                    pointers(variables).data());
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (failure != 0) return system_error(program.file, failure);
    return pid;
}

}  // namespace

CommandLine CommandLine::of_this_process() {
    CommandLine line;
    std::error_code ignored;
    line.file = std::filesystem::read_symlink("/proc/self/exe", ignored);
    std::ifstream arguments("/proc/self/cmdline", std::ios::binary);
    for (std::string argument; std::getline(arguments, argument, '\0');) line.arguments.push_back(argument);
    return line;
}

Result<Successor> Successor::start(const CommandLine& program, std::span<const int> sockets) {
    std::array<int, 2> ends{};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) return system_error("a socket pair");
    Fd ours(ends[0]);
    const Fd theirs(ends[1]);
    const auto pid = spawn(program, theirs.get());
    if (!pid) return pid.error();
    Successor successor(*pid, std::move(ours));
    if (const auto sent = InheritedSockets::send(successor.line_.get(), sockets); !sent) return ended();
    return successor;
}

Successor::~Successor() {
    if (line_ && !serves_) end();
}

// It is waited for, so that nothing of it is left where we serve on.
void Successor::end() {
    line_.reset();
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
}

Result<> Successor::wait_for_its_question() { return hear(may_i_begin); }

Result<> Successor::let_begin() {
    (void)say(line_.get(), begin);  // if it has gone, that is heard
    auto heard = hear(we_serve);
    serves_ = heard.ok();
    return heard;
}

Result<> Successor::hear(std::string_view message) {
    const auto deadline = steady_clock::now() + patience;
    if (!is_readable_by(line_.get(), deadline)) {
        end();
        return Error{fmt::format("the new hairpin has not come to serve within {} s", patience.count())};
    }
    const std::string heard = listen(line_.get());
    if (heard == message) return {};
    // It puts back what it has done, and writes its log.
    const Fd its_end(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
    if (its_end) (void)is_readable_by(its_end.get(), deadline);
    end();
    if (!heard.starts_with(we_cannot)) return ended();
    return Error{"the new hairpin has given up: " + heard.substr(we_cannot.size())};
}

Result<std::unique_ptr<Predecessor>> Predecessor::of_this_process() {
    const char* number = std::getenv(variable);
    if (!number) return std::unique_ptr<Predecessor>();
    Fd line(std::atoi(number));
    unsetenv(variable);
    fcntl(line.get(), F_SETFD, FD_CLOEXEC);
    auto sockets = InheritedSockets::receive(line.get());
    if (!sockets) return sockets.error();
    return std::unique_ptr<Predecessor>(new Predecessor(std::move(line), *std::move(sockets)));
}

Predecessor::Predecessor(Fd line, InheritedSockets sockets)
    : line_(std::move(line)), sockets_(std::make_shared<InheritedSockets>(std::move(sockets))) {}

Result<> Predecessor::ask_to_begin() {
    if (auto said = say(line_.get(), may_i_begin); !said) return said;
    if (listen(line_.get()) == begin) return {};
    return Error{"the hairpin that started this one is gone"};
}

// A socket that nobody took would go on collecting clients; its predecessor still serves those of its own.
void Predecessor::tell_that_we_serve() {
    sockets_->close();
    (void)say(line_.get(), we_serve);
}

void Predecessor::tell_that_we_cannot(const std::string& why) {
    (void)say(line_.get(), (std::string(we_cannot) + why).substr(0, longest_message));
}

}  // namespace hairpin
