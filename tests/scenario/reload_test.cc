// Reloads: whoever asks with `hairpin reload` hears what became of it, and no client notices.
//
//   client 1.0.0.100 ── 1.0.0.1 gateway 10.0.0.1 ── server1 10.0.0.2
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <nlohmann/json.hpp>

#include "support/binary.h"
#include "support/churn.h"
#include "support/echo_server.h"
#include "support/program.h"
#include "support/tcp.h"
#include "support/udp.h"

namespace hairpin {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

constexpr std::string_view one = "services:\n  one: {listen: 1.0.0.1:1234, backends: 10.0.0.2:12345}\n";
constexpr std::string_view two =
    "services:\n  one: {listen: 1.0.0.1:1234, backends: 10.0.0.2:12345}\n"
    "  two: {listen: 1.0.0.1:1235, backends: 10.0.0.2:12345}\n";
constexpr std::string_view wrong =
    "services:\n  one: {listen: 1.0.0.1:1234, backends: 10.0.0.2:12345, blance: maglev}\n"
    "  two: {listen: 1.0.0.1:99999, backends: 10.0.0.2:12345}\n";

class HairpinReload : public testing::TestWithParam<std::string> {
protected:
    Outcome reload(std::vector<std::string> options = {}) const {
        options.insert(options.begin(), {hairpin_binary(), "reload", "--socket", lab_.socket()});
        return outcome_of(lab_->host("gateway"), options);
    }
    bool answers(std::string_view endpoint) const {
        const Meeting meeting = meet(lab_->host("client"), at(endpoint), {&server_});
        return meeting.conversation && meeting.conversation->alive();
    }

    const TestLab lab_{one, GetParam(), TestLab::Backends::none};
    const Fd server_ = lab_ ? listen_on(lab_->host("server1"), at("10.0.0.2:12345")) : Fd();
};

TEST_P(HairpinReload, ServesTheFileWhenItReturns) {
    ASSERT_TRUE(lab_);
    EXPECT_FALSE(answers("1.0.0.1:1235"));
    lab_.rewrite(two);
    const Outcome outcome = reload();
    EXPECT_EQ(outcome.status, 0) << outcome.output;
    EXPECT_EQ(outcome.output, "reloaded: 2 services on 2 endpoints\n");
    EXPECT_TRUE(answers("1.0.0.1:1235"));
    EXPECT_NE(lab_->daemon_log().find("API: POST /v1/reload, by uid "), std::string::npos) << lab_->daemon_log();

    lab_.rewrite(one);
    EXPECT_EQ(json::parse(reload({"--json"}).output), (json{{"serving", "1 service on 1 endpoint"}}));
    EXPECT_FALSE(answers("1.0.0.1:1235"));
}

TEST_P(HairpinReload, NamesEveryMistakeAtItsPlaceAndChangesNothing) {
    ASSERT_TRUE(lab_);
    lab_.rewrite(wrong);
    const Outcome outcome = reload();
    EXPECT_EQ(outcome.status, 2);
    EXPECT_NE(outcome.output.find("nothing has changed: still serving 1 service on 1 endpoint"), std::string::npos)
        << outcome.output;
    for (const std::string_view reason : {":2:57: unknown key 'blance'", ":3:17: "}) {
        EXPECT_NE(outcome.output.find(reason), std::string::npos) << reason << "\n" << outcome.output;
    }
    EXPECT_TRUE(answers("1.0.0.1:1234"));

    const Outcome for_programs = reload({"--json"});
    EXPECT_EQ(for_programs.status, 2);
    EXPECT_EQ(json::parse(for_programs.output).at("errors").size(), 2u) << for_programs.output;
}

// How long a live connection waits for its echo at worst, until `over`.
std::chrono::milliseconds longest_stall(const Fd& connection, const std::atomic<bool>& over) {
    std::chrono::steady_clock::duration longest{0};
    while (!over) {
        const auto asked = std::chrono::steady_clock::now();
        if (!send_all(connection, "x") || receive(connection, 1) != "x") return patience;
        longest = std::max(longest, std::chrono::steady_clock::now() - asked);
    }
    return std::chrono::duration_cast<std::chrono::milliseconds>(longest);
}

// New connections one after the other and a live one, while something happens: what became of them.
struct Witness {
    size_t connections = 0;
    size_t failures = 0;
    std::string first_failure;
    std::chrono::milliseconds stall{0};
};
Witness while_doing(const lab::Host& client, const Endpoint& service, const Fd& live,
                    const std::function<void()>& work) {
    std::atomic<bool> over = false;
    Witness seen;
    auto stall = std::async(std::launch::async, [&] { return longest_stall(live, over); });
    auto load = std::async(std::launch::async, [&] {
        while (!over) {
            const Tally tally = churn(client, service, std::chrono::steady_clock::now(), 1);
            seen.connections += tally.by_slice.front();
            if (seen.failures == 0) seen.first_failure = tally.first_failure;
            seen.failures += tally.failures;
        }
    });
    work();
    over = true;
    load.get();
    seen.stall = stall.get();
    return seen;
}

class Reload : public testing::TestWithParam<std::string> {};

TEST_P(Reload, AHundredTimesAtFullRateFailsNoConnectionAndStallsNoLiveOne) {
    const TestLab lab(one, GetParam(), TestLab::Backends::none);
    ASSERT_TRUE(lab);
    const EchoServer server(lab->host("server1"), at("10.0.0.2:12345"));
    const lab::Host& client = lab->host("client");
    const Fd live = dial(client, at("1.0.0.1:1234"));
    ASSERT_TRUE(live);

    const Witness before = while_doing(client, at("1.0.0.1:1234"), live, [&] {
        const auto end = std::chrono::steady_clock::now() + 1s;
        wait_for([&] { return std::chrono::steady_clock::now() >= end; });
    });
    const auto began = std::chrono::steady_clock::now();
    const Witness during = while_doing(client, at("1.0.0.1:1234"), live, [&] {
        for (int i = 0; i < 50; ++i) {
            ASSERT_TRUE(lab.reload(two));
            ASSERT_TRUE(lab.reload(one));
        }
    });
    EXPECT_LT(std::chrono::steady_clock::now() - began, 60s);
    EXPECT_EQ(during.failures, 0u) << during.first_failure;
    EXPECT_GT(during.connections, 100u);
    EXPECT_LE(during.stall, before.stall + 100ms);
}

INSTANTIATE_TEST_SUITE_P(Every, Reload, testing::ValuesIn(engine_names()),
                         [](const auto& engine) { return engine.param; });
INSTANTIATE_TEST_SUITE_P(Every, HairpinReload, testing::ValuesIn(engine_names()),
                         [](const auto& engine) { return engine.param; });

}  // namespace
}  // namespace hairpin
