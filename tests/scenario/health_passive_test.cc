// Backends that clients' connections tell of, with the proxy: who does not accept them is down.
//
//   client, peer ──── gateway 1.0.0.1:1044 ──┬── server1 10.0.0.2:2044  nobody serves there
//                                            ╰── server2 10.0.0.3:2044
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <nlohmann/json.hpp>

#include "net/socket.h"
#include "support/binary.h"
#include "support/kernel_engines.h"
#include "support/program.h"
#include "support/tcp.h"
#include "support/udp.h"

namespace hairpin {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

const Endpoint service = at("1.0.0.1:1044");
const Endpoint first = at("10.0.0.2:2044");
const Endpoint second = at("10.0.0.3:2044");

std::string yaml(std::string_view health) {
    return fmt::format(
        "services:\n  srv: {{listen: 1.0.0.1:1044, backends: [10.0.0.2:2044, 10.0.0.3:2044], "
        "connect_timeout: 300ms, health: {{{}}}}}\n",
        health);
}

class PassiveHealth : public testing::Test {
protected:
    void serve(std::string_view health) {
        lab_.emplace(yaml(health), "proxy", TestLab::Backends::none);
        ASSERT_TRUE(*lab_);
        other_ = listen_on(host("server2"), second);
    }
    const TestLab& lab() const { return *lab_; }
    const lab::Host& host(std::string_view name) const { return (*lab_)->host(name); }

    json backend(const Endpoint& endpoint) const {
        const json told = json::parse(
            output_of(host("gateway"), {hairpin_binary(), "backends", "--socket", lab().socket(), "--json"}));
        for (const json& one : told.at("backends")) {
            if (one.at("backend") == endpoint.str()) return one;
        }
        ADD_FAILURE() << endpoint.str() << " is not listed";
        return {};
    }
    testing::AssertionResult becomes(const Endpoint& endpoint, const std::string& state, bool serving) const {
        const bool came = wait_for([&] {
            const json now = backend(endpoint);
            return now.at("state") == state && now.at("serving") == serving;
        });
        return came ? testing::AssertionSuccess()
                    : testing::AssertionFailure() << backend(endpoint).dump() << "\n"
                                                  << (*lab_)->daemon_log();
    }
    // A client, from outside or beside the backends: who accepts it; nothing, it is refused.
    std::optional<Endpoint> reached(const char* from, const std::vector<const Fd*>& backends) const {
        const Meeting meeting = meet(host(from), service, backends);
        if (!meeting.conversation) return std::nullopt;
        EXPECT_TRUE(meeting.conversation->alive()) << "the gateway knows that it was accepted";
        return local_endpoint(meeting.conversation->backend.get());
    }

    Fd other_;

private:
    std::optional<TestLab> lab_;
};

TEST_F(PassiveHealth, WhoDoesNotAcceptClientsTakesNoNewOnesForAWhile) {
    serve("kind: none, passive: {failures: 2, for: 6s}");
    EXPECT_EQ(backend(first).at("state"), "unchecked");
    EXPECT_EQ(backend(first).at("check"), nullptr);
    const auto began = std::chrono::steady_clock::now();
    for (const char* from : {"client", "peer", "client", "peer"}) EXPECT_EQ(reached(from, {&other_}), second);
    json down;  // as it is told once, for its time runs
    ASSERT_TRUE(wait_for([&] {
        down = backend(first);
        return down.at("state") == "down" && down.at("serving") == false;
    })) << down.dump();
    EXPECT_EQ(down.at("reason"), "clients are not accepted: connection refused");
    EXPECT_EQ(down.at("in_a_row"), 2);
    EXPECT_TRUE(lab()->daemon().wait_for_output(
        "service srv: backend 10.0.0.2:2044 is down: clients are not accepted: connection refused (2 in a row)",
        patience));
    const Fd one = listen_on(host("server1"), first);
    ASSERT_TRUE(becomes(first, "unchecked", true)) << "its time is over";
    EXPECT_GE(std::chrono::steady_clock::now() - began, 6s);
    EXPECT_TRUE(lab()->daemon().wait_for_output("service srv: backend 10.0.0.2:2044 is up", patience));
    EXPECT_NE(reached("client", {&one, &other_}), reached("client", {&one, &other_}));
    EXPECT_EQ(backend(second).at("state"), "unchecked");
}

TEST_F(PassiveHealth, ASilentBackendCountsAsOneThatRefuses) {
    serve("kind: none, passive: {failures: 1, for: 1h}");
    cut(host("server1"), "eth0");
    EXPECT_EQ(reached("client", {&other_}), second);
    EXPECT_EQ(reached("client", {&other_}), second);
    ASSERT_TRUE(becomes(first, "down", false));
    const std::string reason = backend(first).at("reason");
    EXPECT_TRUE(reason.find("no answer within 300 ms") != std::string::npos ||
                reason.find("no route to host") != std::string::npos)
        << reason;
}

TEST_F(PassiveHealth, AConnectionThatIsAcceptedBeginsTheCountAnew) {
    serve("kind: none, passive: {failures: 2, for: 1h}");
    EXPECT_EQ(reached("client", {&other_}), second);
    EXPECT_EQ(reached("client", {&other_}), second);  // one of them has failed at the first
    Fd one = listen_on(host("server1"), first);
    EXPECT_NE(reached("client", {&one, &other_}), reached("client", {&one, &other_}));
    one.reset();
    EXPECT_EQ(reached("client", {&other_}), second);
    EXPECT_EQ(reached("client", {&other_}), second);
    EXPECT_EQ(backend(first).at("state"), "unchecked") << (*lab()).daemon_log();
    EXPECT_EQ(reached("client", {&other_}), second);
    EXPECT_EQ(reached("client", {&other_}), second);
    EXPECT_TRUE(becomes(first, "down", false));
}

// Its checks, at another port, pass all the time.
TEST_F(PassiveHealth, ChecksThatPassBringItBackBeforeItsTime) {
    serve("port: 2999, interval: 200ms, timeout: 150ms, rise: 3, passive: {failures: 1, for: 1h}");
    const Fd lives = listen_on(host("server1"), {first.ip, 2999});
    const Fd other_lives = listen_on(host("server2"), {second.ip, 2999});
    ASSERT_TRUE(becomes(first, "up", true));
    ASSERT_TRUE(becomes(second, "up", true));
    EXPECT_EQ(reached("peer", {&other_}), second);
    EXPECT_EQ(reached("peer", {&other_}), second);
    EXPECT_TRUE(lab()->daemon().wait_for_output("10.0.0.2:2044 is down: clients are not accepted", patience));
    EXPECT_TRUE(lab()->daemon().wait_for_output("10.0.0.2:2044 is up (3 in a row)", patience));
}

TEST_F(PassiveHealth, ItsTimeBringsNobodyBackWhoFailsItsChecks) {
    serve("port: 2999, interval: 200ms, timeout: 150ms, fall: 100, passive: {failures: 1, for: 1s}");
    Fd lives = listen_on(host("server1"), {first.ip, 2999});
    const Fd other_lives = listen_on(host("server2"), {second.ip, 2999});
    ASSERT_TRUE(becomes(first, "up", true));
    ASSERT_TRUE(becomes(second, "up", true));
    lives.reset();
    const auto began = std::chrono::steady_clock::now();
    EXPECT_EQ(reached("client", {&other_}), second);
    EXPECT_EQ(reached("client", {&other_}), second);
    ASSERT_TRUE(becomes(first, "down", false));
    // It goes on failing checks, more and more of them in a row, until its time is long over.
    ASSERT_TRUE(wait_for([&] { return backend(first).at("in_a_row") >= 12; }));
    EXPECT_GE(std::chrono::steady_clock::now() - began, 1500ms);
    EXPECT_EQ(backend(first).at("state"), "down");
}

TEST_F(PassiveHealth, WhereNobodyAcceptsWhenNoneDecides) {
    serve("kind: none, passive: {failures: 1, for: 1h}, when_none: refuse");
    other_.reset();
    EXPECT_FALSE(reached("client", {}));
    ASSERT_TRUE(becomes(first, "down", false));
    ASSERT_TRUE(becomes(second, "down", false));
    other_ = listen_on(host("server2"), second);
    EXPECT_FALSE(reached("peer", {&other_})) << "refused, though somebody serves there again";
    EXPECT_TRUE(lab()->daemon().wait_for_output("too few backends are up: new flows are refused", patience));
}

TEST_F(PassiveHealth, WhereNobodyAcceptsAllAreTriedByDefault) {
    serve("kind: none, passive: {failures: 1, for: 1h}");
    other_.reset();
    EXPECT_FALSE(reached("client", {}));
    ASSERT_TRUE(becomes(first, "down", true));
    other_ = listen_on(host("server2"), second);
    EXPECT_EQ(reached("client", {&other_}), second);
}

TEST(PassiveHealthInTheKernel, IsRefusedAndTheWayOutIsNamed) {
    const TestLab lab("services:\n  srv: {listen: 1.0.0.1:1044, backends: [10.0.0.2:2044]}\n");
    ASSERT_TRUE(lab);
    const TemporaryFile config(yaml("passive: {}"));
    for (const std::string& engine : kernel_engine_names()) {
        const std::string said = output_of(
            lab->host("gateway"),
            {"sh", "-c",
             hairpin_binary() + " run --engine " + engine + " --socket none -c " + config.path() + " 2>&1 || true"});
        EXPECT_NE(said.find("health.passive: the kernel passes packets on"), std::string::npos) << engine << said;
    }
}

}  // namespace
}  // namespace hairpin
