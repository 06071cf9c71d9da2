#include "support/test_lab.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "config/config.h"
#include "engines/registry.h"
#include "net/sockaddr.h"
#include "support/binary.h"

namespace hairpin {
namespace {

size_t count(std::string_view text, std::string_view word) {
    size_t found = 0;
    for (size_t at = text.find(word); at != text.npos; at = text.find(word, at + 1)) ++found;
    return found;
}

constexpr std::string_view stats_mark = "stats {";

template <class E, size_t n>
void read_counters(const nlohmann::json& from, std::array<uint64_t, n>& to) {
    for (size_t i = 0; i < n; ++i) to[i] = from.at(std::string(names_of<E>[i])).template get<uint64_t>();
}

ServiceStats parse_stats(const std::string& line) {
    const auto json = nlohmann::json::parse(line);
    ServiceStats stats;
    stats.service = json.at("service");
    stats.active = json.at("active");
    stats.bytes_to_backends = json.at("bytes_to_backends");
    stats.bytes_to_clients = json.at("bytes_to_clients");
    read_counters<Path>(json.at("accepted"), stats.accepted);
    read_counters<Refusal>(json.at("refused"), stats.refused);
    return stats;
}

}  // namespace

bool wait_for(const std::function<bool()>& condition, std::chrono::milliseconds timeout) {
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(2));  // between two looks
    }
    return true;
}

TemporaryFile::TemporaryFile(std::string_view text) : folder_(testing::TempDir() + "hairpin-XXXXXX") {
    EXPECT_TRUE(mkdtemp(folder_.data())) << folder_;
    EXPECT_EQ(chmod(folder_.c_str(), 0755), 0);  // others read it, too, and ask at the socket
    path_ = folder_ + "/file";
    write(text);
}

TemporaryFile::~TemporaryFile() {
    std::error_code failed;
    std::filesystem::remove_all(folder_, failed);
}

void TemporaryFile::write(std::string_view text) const { std::ofstream(path_) << text; }

void command(const lab::Host& host, const std::string& line) {
    EXPECT_EQ(host.run([&] { return std::system(line.c_str()); }), 0) << line;
}

namespace {

// A veth takes frames from another driver while its other end receives by NAPI, which GRO turns on. What it leaves of
// checksums to a device, no device makes; nor of those of packets that GRO has joined on their way.
void behave_like_network_cards(const lab::Lab& lab) {
    bool has_switch = false;
    for (const lab::HostPlan& host : lab.plan().hosts) {
        if (host.name == "gateway" || host.link() == 0) continue;
        const bool at_switch = host.link() == lab::inside.index;
        command(lab.host(host.name), fmt::format("ethtool -K eth0 tx off gro {} >/dev/null", at_switch ? "off" : "on"));
        has_switch = has_switch || at_switch;
    }
    if (has_switch) command(lab.switch_host(), "ethtool -K gateway gro on >/dev/null");
}

std::string last_name(const Config& config) { return config.services.empty() ? "" : config.services.back().name; }
}  // namespace

TestLab::TestLab(std::string_view yaml, const std::string& engine, Backends backends, std::vector<std::string> wrapper)
    : config_(yaml) {
    const Config config = parse_config(yaml, config_.path());
    for (const Diagnostic& error : config.errors) ADD_FAILURE() << error.str();
    const EngineEntry* entry = find_engine(engine);
    if (!config.errors.empty() || !entry) {
        ADD_FAILURE() << "engine " << engine;
        return;
    }
    if (const auto gained = lab::gain_privileges(); !gained) {
        ADD_FAILURE() << gained.error().message;
        return;
    }
    last_service_ = last_name(config);
    lab::Plan plan = lab::make_plan(Ruleset(config.services), entry->make({})->abilities());
    if (backends == Backends::none) {
        for (lab::HostPlan& host : plan.hosts) host.servers.clear();
    }
    std::vector<std::string> arguments = std::move(wrapper);
    arguments.insert(arguments.end(),
                     {hairpin_binary(), "run", "-c", config_.path(), "--engine", engine, "--socket", socket()});
    lab::Options options{.command = std::move(arguments), .answer_timeout = patience};
    if (engine == "xdp") options.prepare = behave_like_network_cards;
    auto started = lab::Lab::start(std::move(plan), std::move(options));
    if (started) {
        lab_ = *std::move(started);
    } else {
        ADD_FAILURE() << started.error().message;
    }
}

testing::AssertionResult TestLab::logs(std::string_view words) const {
    if (lab_->daemon().wait_for_output(words, patience)) return testing::AssertionSuccess();
    return testing::AssertionFailure() << "not logged: " << words << "\n" << lab_->daemon_log();
}

testing::AssertionResult TestLab::logs_after(const std::function<void()>& cause, std::string_view words) const {
    const size_t seen = lab_->daemon_log().size();
    cause();
    if (wait_for([&] { return lab_->daemon_log().find(words, seen) != std::string::npos; })) {
        return testing::AssertionSuccess();
    }
    return testing::AssertionFailure() << "not logged: " << words << "\n" << lab_->daemon_log();
}

ServiceStats TestLab::stats(std::string_view service) const {
    const auto mark_of = [](std::string_view name) {
        return std::string(stats_mark) + "\"service\":\"" + std::string(name) + "\"";
    };
    const std::string mark = mark_of(service);
    // The answer is a line for each service. What is left of it when the next question is asked would be taken for the
    // answer to that.
    const std::string last_mark = mark_of(last_service_);
    const std::string log_before = lab_->daemon_log();
    const size_t before = count(log_before, mark);
    const size_t last_before = count(log_before, last_mark);
    lab_->daemon().signal(SIGUSR1);
    std::string line;
    const bool came = wait_for(
        [&] {
            const std::string log = lab_->daemon_log();
            if (count(log, mark) == before) return false;
            const size_t begin = log.rfind(mark) + stats_mark.size() - 1;
            const size_t end = log.find('\n', begin);
            if (end != log.npos) line = log.substr(begin, end - begin);
            return end != log.npos;
        },
        6 * patience);  // there may be many counters
    EXPECT_TRUE(last_service_.empty() || wait_for([&] { return count(lab_->daemon_log(), last_mark) > last_before; }));
    EXPECT_TRUE(came) << "no counters of " << service << " in the log:\n" << lab_->daemon_log();
    return came ? parse_stats(line) : ServiceStats{};
}

void TestLab::kill_daemon() const {
    lab_->daemon().signal(SIGKILL);
    EXPECT_TRUE(lab_->daemon().wait(patience));
}

void TestLab::start_daemon() const {
    const auto started = lab_->start_daemon();
    EXPECT_TRUE(started) << started.error().message;
}

void TestLab::freeze() const {
    lab_->daemon().signal(SIGSTOP);
    siginfo_t info;
    EXPECT_EQ(waitid(P_PID, static_cast<id_t>(lab_->daemon().pid()), &info, WSTOPPED), 0) << strerror(errno);
}

void TestLab::thaw() const { lab_->daemon().signal(SIGCONT); }

bool TestLab::reload(std::string_view yaml) const {
    config_.write(yaml);
    const auto done = [&] { return count(lab_->daemon_log(), "reloaded: "); };
    const auto refused = [&] { return count(lab_->daemon_log(), "reload refused: "); };
    const size_t done_before = done();
    const size_t refused_before = refused();
    lab_->daemon().signal(SIGHUP);
    const bool answered = wait_for([&] { return done() > done_before || refused() > refused_before; },
                                   6 * patience);  // of thousands of services, say
    EXPECT_TRUE(answered) << lab_->daemon_log();
    if (done() == done_before) return false;
    last_service_ = last_name(parse_config(yaml, config_.path()));
    return true;
}

Abilities abilities_of(std::string_view engine) { return find_engine(engine)->make({})->abilities(); }

bool is_bpf(std::string_view engine) { return find_engine(engine)->kernel_state == find_engine("tc")->kernel_state; }

std::vector<std::string> engine_names() {
    std::vector<std::string> names;
    for (const EngineEntry& engine : engines()) names.emplace_back(engine.name);
    return names;
}

Fd connect_from(const lab::Host& host, const Leg& leg) {
    const int type = leg.protocol == Protocol::tcp ? SOCK_STREAM : SOCK_DGRAM;
    Fd socket(host.run([&] { return ::socket(address_family(leg.destination.ip), type | SOCK_CLOEXEC, 0); }));
    const timeval limit{std::chrono::duration_cast<std::chrono::seconds>(patience).count(), 0};
    setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    const SockAddr from(leg.source);
    const SockAddr to(leg.destination);
    const bool connected =
        socket && bind(socket.get(), from.get(), from.size()) == 0 && connect(socket.get(), to.get(), to.size()) == 0;
    return connected ? std::move(socket) : Fd();
}

}  // namespace hairpin
