// One of 10,000 services changes its backend up to ten times a second, and no client of another one notices.
//
//   client ──┬── 1.0.0.1:5432 ── gateway with hairpin ──┬── 10.0.0.2:54321 server1, an echo server, at full speed
//            ╰── 1.0.0.1:1234 ──        (SIGHUP)      ──┴── 10.0.0.2:12345 or 10.0.0.3:12345, in turn
//
// HAIRPIN names the program, HAIRPIN_LOAD_SECONDS (15) for how long.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <future>
#include <numeric>

#include "support/churn.h"
#include "support/echo_server.h"
#include "support/tcp.h"
#include "support/test_lab.h"

namespace hairpin {
namespace {

using namespace std::chrono_literals;

const Endpoint steady = *Endpoint::parse("1.0.0.1:5432");
const Endpoint changing = *Endpoint::parse("1.0.0.1:1234");
const std::array backends = {*Endpoint::parse("10.0.0.2:12345"), *Endpoint::parse("10.0.0.3:12345")};
constexpr auto interval = 100ms;

// One thread: each of the proxy's holds a descriptor for each endpoint.
std::string configuration(const Endpoint& backend) {
    std::string yaml = "threads: 1\nservices:\n  steady: {listen: 1.0.0.1:5432, backends: 10.0.0.2:54321}\n";
    for (int i = 0; i < 4999; ++i) {
        yaml += fmt::format("  a{}: {{listen: 1.0.0.1:{}, backends: 10.0.0.2:{}}}\n", i, 10'000 + i, 10'000 + i);
    }
    yaml += fmt::format("  changing: {{listen: 1.0.0.1:1234, backends: {}}}\n", backend.str());
    for (int i = 0; i < 4999; ++i) {
        yaml += fmt::format("  b{}: {{listen: 1.0.0.1:{}, backends: 10.0.0.3:{}}}\n", i, 20'000 + i, 20'000 + i);
    }
    return yaml;
}

class ReloadUnderLoad : public testing::TestWithParam<std::string> {};

TEST_P(ReloadUnderLoad, ChangesOneOfTenThousandServicesAndFailsNoConnectionToAnother) {
    if (!names_program_to_measure()) GTEST_SKIP() << "HAIRPIN names no program to measure; ./test load sees to it";
    const TestLab lab(configuration(backends[0]), GetParam(), TestLab::Backends::none);
    ASSERT_TRUE(lab);
    const lab::Host& client = lab->host("client");
    const EchoServer server(lab->host("server1"), *Endpoint::parse("10.0.0.2:54321"));
    const std::array listeners = {listen_on(lab->host("server1"), backends[0]),
                                  listen_on(lab->host("server2"), backends[1])};

    const auto start = std::chrono::steady_clock::now();
    const auto slices = static_cast<size_t>(load_time() / slice);
    auto load = std::async(std::launch::async, [&] { return churn(client, steady, start, slices); });
    size_t changes = 0;
    for (auto next = start; load.wait_until(next) != std::future_status::ready; next += interval) {
        const size_t now = ++changes % 2;
        ASSERT_TRUE(lab.reload(configuration(backends[now])));
        const Fd connection = dial(client, changing);
        ASSERT_TRUE(connection) << strerror(errno);
        ASSERT_TRUE(accept_from(listeners[now])) << "change " << changes << " did not reach the next client";
    }

    const Tally tally = load.get();
    const size_t total = std::accumulate(tally.by_slice.begin(), tally.by_slice.end(), size_t{0});
    std::printf("load: %s: %zu connections during %zu changes of one of 10,000 services, %zu failed\n",
                GetParam().c_str(), total, changes, tally.failures);
    EXPECT_EQ(tally.failures, 0u) << tally.first_failure;
    EXPECT_GT(total, 1000u);
    EXPECT_GE(changes, static_cast<size_t>(load_time() / 1s)) << "a reload takes the whole second";
}

INSTANTIATE_TEST_SUITE_P(Every, ReloadUnderLoad, testing::ValuesIn(engine_names()),
                         [](const auto& engine) { return engine.param; });

}  // namespace
}  // namespace hairpin
