// Reloads: whoever asks with `hairpin reload` hears what became of it, and no client notices.
//
//   client 1.0.0.100 ── 1.0.0.1 gateway 10.0.0.1 ── server1 10.0.0.2
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <future>
#include <limits>
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
    EXPECT_TRUE(lab_.logs("API: POST /v1/reload, by uid "));

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

// New connections one after the other and a live one, of each host, while something happens: what became of them.
struct Witness {
    size_t connections = 0;  // of the host that made the fewest
    size_t failures = 0;
    std::string first_failure;
    std::chrono::milliseconds stall{0};
};
struct Caller {
    const lab::Host& host;
    Fd live;
};
Witness while_doing(const std::vector<Caller>& callers, const Endpoint& service, const std::function<void()>& work) {
    std::atomic<bool> over = false;
    std::vector<std::future<std::chrono::milliseconds>> stalls;
    std::vector<std::unique_ptr<Churn>> loads;
    for (const Caller& caller : callers) {
        stalls.push_back(std::async(std::launch::async, [&] { return longest_stall(caller.live, over); }));
        loads.push_back(std::make_unique<Churn>(caller.host, service));
    }
    work();
    over = true;
    Witness seen;
    seen.connections = std::numeric_limits<size_t>::max();
    for (const auto& load : loads) {
        const Tally tally = load->stop();
        seen.connections = std::min(seen.connections, tally.answered);
        if (seen.failures == 0) seen.first_failure = tally.first_failure;
        seen.failures += tally.failures;
    }
    for (auto& stall : stalls) seen.stall = std::max(seen.stall, stall.get());
    return seen;
}

// How it goes for some time while nothing happens: what the rest is compared with.
Witness while_resting(const std::vector<Caller>& callers, const Endpoint& service,
                      std::chrono::steady_clock::duration time) {
    return while_doing(callers, service, [time] {
        const auto end = std::chrono::steady_clock::now() + time;
        wait_for([&] { return std::chrono::steady_clock::now() >= end; });
    });
}

// Nobody is refused while `work` is done, and no live connection waits for longer than without it, and less than the
// kernel takes to send a lost packet again. A busy machine may keep everybody waiting once, the likelier the longer one
// looks; what a reload does, it does each time.
void expect_nobody_notices(const std::vector<Caller>& callers, const Endpoint& service,
                           const std::function<void()>& work) {
    Witness before, during;
    std::chrono::steady_clock::duration took = 1s;
    for (int attempt = 0; attempt < 5 && !testing::Test::HasFailure(); ++attempt) {
        before = while_resting(callers, service, took);
        const auto began = std::chrono::steady_clock::now();
        during = while_doing(callers, service, work);
        took = std::chrono::steady_clock::now() - began;
        EXPECT_EQ(during.failures, 0u) << during.first_failure;
        EXPECT_GT(during.connections, 20u);
        if (during.stall <= before.stall + 180ms) return;
    }
    ADD_FAILURE() << during.stall.count() << " ms, and " << before.stall.count() << " ms at rest";
}

class Reload : public testing::TestWithParam<std::string> {
protected:
    // From outside, and hairpinned.
    static std::vector<Caller> callers_of(const TestLab& lab, const Endpoint& service) {
        std::vector<Caller> callers;
        for (const char* name : {"client", "peer"}) {
            callers.push_back({lab->host(name), dial(lab->host(name), service)});
            EXPECT_TRUE(callers.back().live) << name << ": " << strerror(errno);
        }
        return callers;
    }
};

TEST_P(Reload, AHundredTimesAtFullRateFailsNoConnectionAndStallsNoLiveOne) {
    const TestLab lab(one, GetParam(), TestLab::Backends::none);
    ASSERT_TRUE(lab);
    const EchoServer server(lab->host("server1"), at("10.0.0.2:12345"));
    const Endpoint service = at("1.0.0.1:1234");
    const std::vector<Caller> callers = callers_of(lab, service);

    expect_nobody_notices(callers, service, [&] {
        for (int i = 0; i < 50; ++i) {
            ASSERT_TRUE(lab.reload(two));
            ASSERT_TRUE(lab.reload(one));
        }
    });
}

// The very service that is asked: a backend of it goes and comes back, takes the other's place, and weighs more.
//
//   client 1.0.0.100 ── 1.0.0.1 gateway 10.0.0.1 ──┬── server1 10.0.0.2
//   peer 10.0.0.50, hairpinned ─────╯              ╰── server2 10.0.0.3  goes and comes back
TEST_P(Reload, OfTheServiceUnderLoadFailsNoConnectionAndStallsNoLiveOne) {
    const auto with = [](std::string_view backends) {
        return fmt::format("services:\n  one: {{listen: 1.0.0.1:1234, backends: [{}]}}\n", backends);
    };
    const auto reached = [](const EchoServer& server) {
        return wait_for([&, so_far = server.accepted()] { return server.accepted() > so_far; });
    };
    const std::string both = with("10.0.0.2:12345, 10.0.0.3:12345");
    const TestLab lab(both, GetParam(), TestLab::Backends::none);
    ASSERT_TRUE(lab);
    const EchoServer first(lab->host("server1"), at("10.0.0.2:12345"));
    const EchoServer second(lab->host("server2"), at("10.0.0.3:12345"));
    const Endpoint service = at("1.0.0.1:1234");
    const std::vector<Caller> callers = callers_of(lab, service);

    expect_nobody_notices(callers, service, [&] {
        for (int i = 0; i < 10; ++i) {
            ASSERT_TRUE(lab.reload(with("10.0.0.2:12345")));
            ASSERT_TRUE(lab.reload(with("10.0.0.3:12345, 10.0.0.2:12345")));
            ASSERT_TRUE(reached(second));
            ASSERT_TRUE(lab.reload(with("{endpoint: 10.0.0.2:12345, weight: 5}, 10.0.0.3:12345")));
            ASSERT_TRUE(lab.reload(with("10.0.0.2:12345, {endpoint: 10.0.0.3:12345, weight: 3}")));
            ASSERT_TRUE(lab.reload(both));
            ASSERT_TRUE(reached(first));
        }
    });
}

INSTANTIATE_TEST_SUITE_P(Every, Reload, testing::ValuesIn(engine_names()),
                         [](const auto& engine) { return engine.param; });
INSTANTIATE_TEST_SUITE_P(Every, HairpinReload, testing::ValuesIn(engine_names()),
                         [](const auto& engine) { return engine.param; });

}  // namespace
}  // namespace hairpin
