// What the proxy engine costs and how long it keeps its pace: the released program under load, in the network of
// examples/hairpinning.yaml, where
//
//   client ── 1.0.0.1:5432 ── gateway with hairpin ── 10.0.0.2:54321 ── echo server
//
// HAIRPIN names the program: the figures of a sanitized one say nothing. HAIRPIN_LOAD_SECONDS (15) is for how long it
// is kept busy. The lines that begin with "load:" are the results.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <future>
#include <numeric>

#include "support/churn.h"
#include "support/echo_server.h"
#include "support/tcp.h"
#include "support/test_lab.h"

namespace hairpin {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view yaml = R"(
services:
  echo: {listen: 1.0.0.1:5432, backends: 10.0.0.2:54321}
)";
const Endpoint endpoint = *Endpoint::parse("1.0.0.1:5432");
const Endpoint backend = *Endpoint::parse("10.0.0.2:54321");

// Asks on every connection, then hears every echo. How many of them did not work.
size_t echo_failures(std::span<const Fd> connections, const std::string& question) {
    size_t failures = 0;
    for (size_t i = 0; i < connections.size(); ++i) {
        failures += !send_all(connections[i], question + std::to_string(i));
    }
    for (size_t i = 0; i < connections.size(); ++i) {
        const std::string asked = question + std::to_string(i);
        failures += receive(connections[i], asked.size()) != asked;
    }
    return failures;
}

// True if for so long nothing comes and nothing ends on any of them.
bool stay_silent(std::span<const Fd> connections, std::chrono::milliseconds time) {
    std::vector<pollfd> all;
    for (const Fd& fd : connections) all.push_back({fd.get(), POLLIN | POLLRDHUP, 0});
    return poll(all.data(), all.size(), static_cast<int>(time.count())) == 0;
}

// The memory that a process has made for itself. What it shares of files with other processes changes as those come and
// go, by more than the connections take.
size_t user_bytes_of(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/smaps_rollup");
    for (std::string line; std::getline(file, line);) {
        size_t kilobytes = 0;
        if (std::sscanf(line.c_str(), "Pss_Anon: %zu kB", &kilobytes) == 1) return kilobytes * 1024;
    }
    ADD_FAILURE() << "no Pss_Anon of process " << pid;
    return 0;
}

// Sockets of a host that keep a port towards this endpoint though their connection is over.
size_t time_waits(const lab::Host& host, const Endpoint& remote) {
    std::array<char, 16> wanted{};
    const auto ip = remote.ip.network_bytes();
    uint32_t word = 0;
    std::memcpy(&word, ip.data(), sizeof word);
    std::snprintf(wanted.data(), wanted.size(), "%08X:%04X", word, remote.port);
    return host.run([&] {
        std::ifstream file("/proc/thread-self/net/tcp");
        size_t found = 0;
        std::string slot, local, peer, state;
        for (std::string rest; file >> slot >> local >> peer >> state && std::getline(file, rest);) {
            found += peer == wanted.data() && state == "06";
        }
        return found;
    });
}

class ProxyLoad : public testing::Test {
protected:
    void SetUp() override {
        if (!names_program_to_measure()) GTEST_SKIP() << "HAIRPIN names no program to measure; ./test load sees to it";
        lab_ = std::make_unique<TestLab>(yaml, "proxy", TestLab::Backends::none);
        ASSERT_TRUE(*lab_);
        server_ = std::make_unique<EchoServer>(lab()->host("server1"), backend);
        descriptors_at_start_ = descriptors_of(daemon());
    }

    void TearDown() override {
        if (!lab_ || !*lab_) return;
        EXPECT_TRUE(wait_for([&] { return descriptors_of(daemon()) == descriptors_at_start_; }))
            << descriptors_of(daemon()) << " descriptors, " << descriptors_at_start_ << " at the start";
        const ServiceStats stats = lab_->stats("echo");
        EXPECT_EQ(stats.active, 0u);
        EXPECT_EQ(stats.refused, ServiceStats{}.refused);
        if (HasFailure()) std::fputs(lab()->daemon_log().c_str(), stderr);
    }

    TestLab& lab() const { return *lab_; }
    pid_t daemon() const { return lab()->daemon().pid(); }

    std::unique_ptr<TestLab> lab_;
    std::unique_ptr<EchoServer> server_;
    size_t descriptors_at_start_ = 0;
};

TEST_F(ProxyLoad, HoldsEightThousandConnectionsIn300BytesEach) {
    constexpr size_t number = 8000;
    // Both ends of each are in this process; two more, and no fewer, are in the daemon.
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    ASSERT_GE(limit.rlim_cur, 2 * number + 200) << "raise the hard limit of descriptors: ulimit -Hn 20000";

    const size_t before = user_bytes_of(daemon());
    std::vector<Fd> clients;
    for (size_t i = 0; i < number; ++i) {
        clients.push_back(dial(lab()->host("client"), endpoint));
        ASSERT_TRUE(clients.back()) << "connection " << i << ": " << strerror(errno);
    }
    EXPECT_EQ(echo_failures(clients, "first "), 0u);
    const size_t each = (user_bytes_of(daemon()) - before) / number;
    std::printf("load: %zu connections, %zu bytes of user memory each\n", number, each);
    EXPECT_LE(each, 300u);
    EXPECT_EQ(lab_->stats("echo").active, number);
    EXPECT_EQ(descriptors_of(daemon()), descriptors_at_start_ + 2 * number);

    EXPECT_TRUE(stay_silent(clients, 2s));
    EXPECT_EQ(echo_failures(clients, "second "), 0u);
}

size_t median_per_second(std::vector<size_t> by_slice) {
    const auto middle = by_slice.begin() + static_cast<ptrdiff_t>(by_slice.size() / 2);
    std::ranges::nth_element(by_slice, middle);
    return *middle * (1s / slice);
}

TEST_F(ProxyLoad, KeepsItsPaceWhenClientsReset) {
    const std::chrono::seconds time = load_time();
    const auto slices = static_cast<size_t>(time / slice);
    ASSERT_GE(slices, 6u) << "HAIRPIN_LOAD_SECONDS";

    const auto start = std::chrono::steady_clock::now();
    const auto client = [&] { return churn(lab()->host("client"), endpoint, start, slices); };
    auto one = std::async(std::launch::async, client);
    auto other = std::async(std::launch::async, client);
    size_t most_time_waits = 0;
    while (one.wait_for(1s) != std::future_status::ready) {
        most_time_waits = std::max(most_time_waits, time_waits(lab()->host("gateway"), backend));
    }

    const std::array<Tally, 2> tallies = {one.get(), other.get()};
    std::vector<size_t> by_slice(slices);
    for (const Tally& tally : tallies) {
        EXPECT_EQ(tally.failures, 0u) << tally.first_failure;
        std::ranges::transform(by_slice, tally.by_slice, by_slice.begin(), std::plus());
    }
    const auto sixth = static_cast<ptrdiff_t>(slices / 6);
    const size_t first = median_per_second({by_slice.begin(), by_slice.begin() + sixth});
    const size_t last = median_per_second({by_slice.end() - sixth, by_slice.end()});
    const size_t total = std::accumulate(by_slice.begin(), by_slice.end(), size_t{0});
    std::printf("load: %zu connections in %lld s: %zu/s in the first sixth, %zu/s in the last; at most %zu TIME_WAIT\n",
                total, static_cast<long long>(time.count()), first, last, most_time_waits);
    EXPECT_GT(first, 0u);
    // What runs out of ports becomes twenty times slower; a shared machine, now and then, by a third.
    EXPECT_GE(static_cast<double>(last), 0.5 * static_cast<double>(first));
    EXPECT_LT(most_time_waits, 1000u);
}

}  // namespace
}  // namespace hairpin
