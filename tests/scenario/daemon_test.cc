// The life of `hairpin run`, through its front door: start, serve, count, reload, drain, end.
//
//   +-- one host, loopback only ------------------------------------+
//   | client ── 127.0.0.1:80 ── hairpin run ── 127.0.0.1:8080 ── us |
//   +---------------------------------------------------------------+
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "base/fd.h"
#include "lab/host.h"
#include "lab/lab.h"
#include "lab/process.h"
#include "support/binary.h"
#include "support/program.h"
#include "support/test_lab.h"

namespace hairpin {
namespace {

using namespace std::chrono_literals;

constexpr auto patience = 20s;  // for what happens at once on an idle machine
constexpr uint16_t endpoint_port = 80;
constexpr uint16_t other_port = 81;
constexpr uint16_t backend_port = 8080;

sockaddr_in loopback(uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

Fd tcp_socket() {
    Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const timeval limit{patience.count(), 0};
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);  // accept() too
    return fd;
}

bool says(const Fd& from, const Fd& to, const std::string& words) {
    if (send(from.get(), words.data(), words.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(words.size())) return false;
    std::string heard(words.size(), '\0');
    return recv(to.get(), heard.data(), heard.size(), MSG_WAITALL) == static_cast<ssize_t>(words.size()) &&
           heard == words;
}

struct Conversation {
    Fd client, backend;
    bool alive() const { return says(client, backend, "question") && says(backend, client, "answer"); }
};

class Daemon : public testing::Test {
protected:
    static void SetUpTestSuite() {
        const auto gained = lab::gain_privileges();
        ASSERT_TRUE(gained) << gained.error().message;
    }

    void SetUp() override {
        auto host = lab::Host::make();
        ASSERT_TRUE(host) << host.error().message;
        host_.emplace(*std::move(host));
        backend_ = host_->run([] { return tcp_socket(); });
        const sockaddr_in address = loopback(backend_port);
        ASSERT_EQ(bind(backend_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
        ASSERT_EQ(listen(backend_.get(), 16), 0);
    }

    void TearDown() override {
        if (HasFailure() && process_) fprintf(stderr, "%s", process_->output().c_str());
        unlink(file_.c_str());
    }

    void configure(const std::string& yaml) const { std::ofstream(file_) << yaml; }

    void start(const std::vector<std::string>& arguments) {
        std::vector<std::string> argv = {hairpin_binary(), "run", "--socket", "none"};
        argv.insert(argv.end(), arguments.begin(), arguments.end());
        auto process = lab::Process::start(*host_, argv);
        ASSERT_TRUE(process) << process.error().message;
        process_ = *std::move(process);
    }

    void start_and_wait(const std::vector<std::string>& arguments) {
        start(arguments);
        ASSERT_TRUE(logs("ready: "));
    }

    bool logs(std::string_view words) const { return process_->wait_for_output(words, patience); }

    int exit_status() {
        const auto status = process_->wait(patience);
        return status && WIFEXITED(*status) ? WEXITSTATUS(*status) : -1;
    }

    // 0, or the errno of connect().
    int try_connect(const Fd& fd, uint16_t port) const {
        const sockaddr_in address = loopback(port);
        return connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ? 0 : errno;
    }

    Fd client_socket() const {
        return host_->run([] { return tcp_socket(); });
    }

    Conversation converse(uint16_t port = endpoint_port) const {
        Conversation conversation;
        conversation.client = client_socket();
        EXPECT_EQ(try_connect(conversation.client, port), 0);
        conversation.backend = Fd(accept(backend_.get(), nullptr, nullptr));
        EXPECT_TRUE(conversation.backend);
        return conversation;
    }

    bool is_refused(uint16_t port) const { return try_connect(client_socket(), port) == ECONNREFUSED; }

    std::optional<lab::Host> host_;
    Fd backend_;
    std::unique_ptr<lab::Process> process_;
    const std::string file_ = testing::TempDir() + "hairpin-daemon-" + std::to_string(getpid()) + ".yaml";
};

const std::string rule = "127.0.0.1:80=127.0.0.1:8080";
const std::string patient = "drain_timeout: 1h\nservices:\n  web: {listen: 127.0.0.1:80, backends: 127.0.0.1:8080}\n";

TEST_F(Daemon, serves_when_it_says_ready) {
    start_and_wait({rule});
    EXPECT_TRUE(logs("1 service on 1 endpoint, engine proxy"));
    EXPECT_TRUE(converse().alive());
}

TEST_F(Daemon, lets_live_connections_finish) {
    configure(patient);
    start_and_wait({"-c", file_});
    Conversation conversation = converse();
    ASSERT_TRUE(conversation.alive());

    process_->signal(SIGTERM);
    ASSERT_TRUE(logs("SIGTERM: no new connections; 1 live one may finish within 3600 s"));
    EXPECT_TRUE(is_refused(endpoint_port));
    EXPECT_TRUE(conversation.alive());

    conversation = {};
    EXPECT_EQ(exit_status(), 0);
    EXPECT_TRUE(logs("stopped: 1 finished, 0 cut"));
}

TEST_F(Daemon, cuts_what_outlives_the_drain_timeout) {
    configure("drain_timeout: 100ms\n" + patient.substr(patient.find('\n') + 1));
    start_and_wait({"-c", file_});
    const Conversation conversation = converse();
    ASSERT_TRUE(conversation.alive());
    process_->signal(SIGTERM);
    EXPECT_EQ(exit_status(), 0);
    EXPECT_TRUE(logs("stopped: 0 finished, 1 cut"));
    char end = 0;
    EXPECT_LE(recv(conversation.client.get(), &end, 1, 0), 0);
}

TEST_F(Daemon, ends_at_once_at_the_second_signal) {
    configure(patient);
    start_and_wait({"-c", file_});
    const Conversation conversation = converse();
    process_->signal(SIGINT);
    ASSERT_TRUE(logs("SIGINT: no new connections"));
    process_->signal(SIGINT);
    EXPECT_EQ(exit_status(), 0);
    EXPECT_TRUE(logs("stopped: 0 finished, 1 cut"));
}

TEST_F(Daemon, counts) {
    start_and_wait({rule});
    const Conversation conversation = converse();
    ASSERT_TRUE(conversation.alive());
    // A counter may follow the bytes that it counts by a moment.
    nlohmann::json stats;
    EXPECT_TRUE(wait_for([&] {
        const size_t before = process_->output().size();
        process_->signal(SIGUSR1);
        std::string log;
        const bool told = wait_for([&] {
            log = process_->output().substr(before);
            return log.find("stats {") != log.npos && log.ends_with('\n');
        });
        if (!told) return false;
        const size_t begin = log.find("stats ") + 6;
        stats = nlohmann::json::parse(log.substr(begin, log.find('\n', begin) - begin));
        return stats["bytes_to_clients"] == std::string("answer").size();
    })) << stats.dump();
    EXPECT_EQ(stats["active"], 1);
    EXPECT_EQ(stats["accepted"]["local"], 1);
    EXPECT_EQ(stats["bytes_to_backends"], std::string("question").size());
}

TEST_F(Daemon, reloads_without_touching_live_connections) {
    configure(patient);
    start_and_wait({"-c", file_});
    const Conversation old = converse();
    configure("services:\n  web: {listen: 127.0.0.1:81, backends: 127.0.0.1:8080}\n");
    process_->signal(SIGHUP);
    ASSERT_TRUE(logs("reloaded: 1 service on 1 endpoint, "));
    EXPECT_TRUE(logs(" ms, of which the engine took "));
    EXPECT_TRUE(old.alive());
    EXPECT_TRUE(is_refused(endpoint_port));
    EXPECT_TRUE(converse(other_port).alive());
}

// Nothing told of it, until `hairpin status` found nobody.
TEST_F(Daemon, warns_where_no_command_can_ask_it) {
    const auto run = [this](std::vector<std::string> environment, const std::string& endpoint) {
        environment.insert(environment.begin(), {"env", "-u", "RUNTIME_DIRECTORY", "-u", "XDG_RUNTIME_DIR"});
        environment.insert(environment.end(), {hairpin_binary(), "run", endpoint + "=127.0.0.1:8080"});
        auto process = lab::Process::start(*host_, unprivileged(environment));
        EXPECT_TRUE(process && (*process)->wait_for_output("ready: ", patience))
            << (process ? (*process)->output() : "");
        return process ? *std::move(process) : nullptr;
    };
    const std::string warning = " warning `hairpin status`, `flows` and their like cannot ask this one: ";
    const auto without = run({}, "127.0.0.1:8081");
    ASSERT_TRUE(without);
    EXPECT_TRUE(without->wait_for_output(
        warning + "neither RUNTIME_DIRECTORY nor XDG_RUNTIME_DIR names a folder; --socket gives it a socket", patience))
        << without->output();

    const TemporaryDirectory directory;
    const std::string socket = directory / "hairpin.sock";
    const std::string folder = "RUNTIME_DIRECTORY=" + std::filesystem::path(socket).parent_path().string();
    const auto first = run({folder}, "127.0.0.1:8082");
    const auto second = run({folder}, "127.0.0.1:8083");
    ASSERT_TRUE(first && second);
    EXPECT_TRUE(second->wait_for_output(warning + socket + ": another hairpin answers there", patience))
        << second->output();
    EXPECT_EQ(first->output().find(warning), std::string::npos) << first->output();
}

TEST_F(Daemon, goes_on_as_it_was_when_a_reload_is_refused) {
    configure(patient);
    start_and_wait({"-c", file_});
    configure("services:\n  web: {listen: 127.0.0.1:81, backend: 127.0.0.1:8080}\n");
    process_->signal(SIGHUP);
    ASSERT_TRUE(logs("; still serving 1 service on 1 endpoint"));
    EXPECT_TRUE(logs("reload refused: " + file_ + ":2:"));
    EXPECT_TRUE(converse().alive());
}

// Ctrl-S on the terminal, or a program behind a pipe that no longer reads: warnings that traffic caused stopped it all.
TEST_F(Daemon, serves_and_ends_while_nobody_reads_its_log) {
    const TemporaryDirectory directory;
    const std::string pipe = directory / "stderr";
    ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
    const Fd log(open(pipe.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
    auto process =
        lab::Process::start(*host_, {"sh", "-c", "exec \"$@\" 2>" + pipe, "sh", hairpin_binary(), "run", "--socket",
                                     "none", "--threads", "1", rule, "127.0.0.1:81=127.0.0.1:9"});
    ASSERT_TRUE(process) << process.error().message;
    process_ = *std::move(process);
    pollfd readable{log.get(), POLLIN, 0};
    for (std::string said; said.find("ready: ") == said.npos || said.back() != '\n';) {
        ASSERT_EQ(poll(&readable, 1, std::chrono::milliseconds(patience).count()), 1) << said;
        char byte = 0;
        ASSERT_EQ(read(log.get(), &byte, 1), 1);
        said += byte;
    }
    while (write(log.get(), "x", 1) == 1) {
    }

    const Fd refused = client_socket();  // which is a warning
    char end = 0;
    // It may be reset before it is back from connect().
    const bool is_reset = try_connect(refused, other_port) == ECONNRESET || recv(refused.get(), &end, 1, 0) == -1;
    EXPECT_TRUE(is_reset);
    EXPECT_EQ(errno, ECONNRESET);
    EXPECT_TRUE(converse().alive());
    process_->signal(SIGHUP);  // the daemon's own thread writes, too
    process_->signal(SIGTERM);
    EXPECT_EQ(exit_status(), 0);
}

// What systemd hears: a datagram for each change of state (sd_notify(3)).
class Notified : public Daemon {
protected:
    void SetUp() override {
        Daemon::SetUp();
        socket_ = Fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        const timeval limit{patience.count(), 0};
        setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        const std::string path = directory_ / "notify";
        ASSERT_LT(path.size(), sizeof address.sun_path);
        path.copy(address.sun_path, path.size());
        ASSERT_EQ(bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
        setenv("NOTIFY_SOCKET", path.c_str(), 1);
    }

    void TearDown() override {
        unsetenv("NOTIFY_SOCKET");
        Daemon::TearDown();
    }

    std::string next() const {
        std::string text(4096, '\0');
        const ssize_t got = recv(socket_.get(), text.data(), text.size(), 0);
        text.resize(got > 0 ? static_cast<size_t>(got) : 0);
        return text;
    }

    const TemporaryDirectory directory_;
    Fd socket_;
};

TEST_F(Notified, says_ready_and_stopping) {
    start({rule});
    EXPECT_EQ(next(), "READY=1\nSTATUS=serving 1 service on 1 endpoint");
    process_->signal(SIGTERM);
    EXPECT_EQ(next(), "STOPPING=1\nEXTEND_TIMEOUT_USEC=40000000\nSTATUS=waiting for 0 live connections");
    EXPECT_EQ(exit_status(), 0);
}

TEST_F(Notified, says_that_it_lives_while_it_serves_and_while_it_drains) {
    setenv("WATCHDOG_USEC", "200000", 1);
    configure(patient);
    start({"-c", file_});
    unsetenv("WATCHDOG_USEC");
    EXPECT_TRUE(next().starts_with("READY=1"));
    EXPECT_EQ(next(), "WATCHDOG=1");
    EXPECT_EQ(next(), "WATCHDOG=1");
    const Conversation conversation = converse();
    process_->signal(SIGTERM);
    std::string said;
    while (!said.starts_with("STOPPING=1") && !HasFailure()) {
        said = next();
        EXPECT_NE(said, "");
    }
    EXPECT_EQ(next(), "WATCHDOG=1");
    EXPECT_EQ(next(), "WATCHDOG=1");
}

TEST_F(Daemon, ends_in_order_with_SIGQUIT_where_the_kernel_cannot_go_on) {
    start_and_wait({rule});
    Conversation conversation = converse();
    process_->signal(SIGQUIT);
    EXPECT_TRUE(logs("SIGQUIT: no new connections; 1 live one may finish"));
    EXPECT_TRUE(conversation.alive());
}

TEST_F(Notified, says_reloading_and_is_ready_again_even_where_it_refuses) {
    configure(patient);
    start({"-c", file_});
    EXPECT_EQ(next(), "READY=1\nSTATUS=serving 1 service on 1 endpoint");
    configure("services:\n  web: {listen: ['127.0.0.1:80', '127.0.0.1:81'], backends: 127.0.0.1:8080}\n");
    process_->signal(SIGHUP);
    EXPECT_TRUE(next().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    EXPECT_EQ(next(), "READY=1\nSTATUS=serving 1 service on 2 endpoints");
    configure("services:\n  web: {}\n");
    process_->signal(SIGHUP);
    EXPECT_TRUE(next().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    EXPECT_EQ(next(), "READY=1\nSTATUS=serving 1 service on 2 endpoints");
}

TEST_F(Daemon, has_nothing_to_reload_when_given_rules) {
    start_and_wait({rule});
    process_->signal(SIGHUP);
    EXPECT_TRUE(logs("SIGHUP: nothing to reload"));
    EXPECT_TRUE(converse().alive());
}

TEST_F(Daemon, refuses_a_configuration_with_2_and_its_place) {
    configure("services:\n  web: {listen: 127.0.0.1:80, backends: 127.0.0.1:80}\n");
    start({"-c", file_});
    EXPECT_EQ(exit_status(), 2);
    EXPECT_TRUE(logs(file_ + ":2:"));
}

TEST_F(Daemon, fails_with_1_where_the_endpoint_is_taken) {
    start({"127.0.0.1:8080=127.0.0.1:80"});
    EXPECT_EQ(exit_status(), 1);
    EXPECT_TRUE(logs("127.0.0.1:8080"));
}

}  // namespace
}  // namespace hairpin
