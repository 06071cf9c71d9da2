#include "daemon/succession.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

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

// What is said on the line, a byte each.
constexpr char may_i_begin = '?';
constexpr char begin = '!';
constexpr char we_serve = '.';

constexpr std::chrono::seconds patience{25};  // less than systemd's watchdog has with us

Result<> say(int line, char word) {
    if (::send(line, &word, 1, MSG_NOSIGNAL) == 1) return {};
    return system_error("the line to the other hairpin");
}

// The next byte; nothing if the other end is closed.
std::optional<char> listen(int line) {
    char word = 0;
    ssize_t got = 0;
    do {
        got = ::recv(line, &word, 1, 0);
    } while (got < 0 && errno == EINTR);
    return got == 1 ? std::optional(word) : std::nullopt;
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
    if (!line_ || serves_) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
}

Result<> Successor::wait_for_its_question() { return hear(may_i_begin); }

Result<> Successor::let_begin() {
    if (!say(line_.get(), begin)) return ended();
    auto heard = hear(we_serve);
    serves_ = heard.ok();
    return heard;
}

Result<> Successor::hear(char word) {
    pollfd readable{line_.get(), POLLIN, 0};
    const auto limit = std::chrono::milliseconds(patience).count();
    int ready = 0;
    do {
        ready = poll(&readable, 1, static_cast<int>(limit));
    } while (ready < 0 && errno == EINTR);
    if (ready == 0) return Error{fmt::format("the new hairpin has not come to serve within {} s", patience.count())};
    if (listen(line_.get()) == word) return {};
    return ended();
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

}  // namespace hairpin
