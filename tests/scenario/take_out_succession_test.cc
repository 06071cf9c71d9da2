// What operators and reloads have taken out of service stays out when another daemon comes: after a crash, a restart or
// an upgrade. What lives there ends when it was to end, wherever it lives by then.
#include <csignal>
#include <functional>
#include <future>
#include <thread>

#include "support/kernel_engines.h"
#include "support/take_out.h"

namespace hairpin {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

class TakeOutSuccession : public TakeOut {
protected:
    void crash() const {
        lab().kill_daemon();
        lab().start_daemon();
    }
    void restart() const {  // as systemd does
        lab()->daemon().signal(SIGQUIT);
        EXPECT_EQ(lab()->daemon().wait(patience), 0);
        lab().start_daemon();
    }
    void upgrade() const { ASSERT_EQ(ask({"upgrade"}).status, 0) << lab()->daemon_log(); }
    void reload_after_upgrade(const std::string& text) const {
        lab().rewrite(text);
        ASSERT_EQ(ask({"reload"}).status, 0) << lab()->daemon_log();
    }
};

TEST_P(TakeOutSuccession, AnUpgradeKeepsOrders) {
    start();
    order("drain");
    upgrade();
    EXPECT_EQ(backend(first).at("state"), "draining");
    EXPECT_EQ(led_to_first("client"), 0);
}

TEST_P(TakeOutSuccession, ACrashKeepsOrders) {
    start();
    order("drain");
    order("disable", second.str());
    crash();
    EXPECT_EQ(backend(first).at("state"), "draining");
    EXPECT_EQ(backend(second).at("state"), "disabled");
    EXPECT_FALSE(meet(host("client"), service, {&one_, &other_}).conversation);
    EXPECT_TRUE(lab().logs("service srv: backend 10.0.0.2:2044 is draining, as it was before"));
    order("undrain");
    order("enable", second.str());
    crash();
    EXPECT_EQ(led_to_first("client"), 2);
}

// Of the proxy that is two processes before the one that is asked.
TEST_P(TakeOutSuccession, DisableEndsWhatBeganBeforeAnUpgrade) {
    start();
    const Conversation live = converse_with("client", first);
    upgrade();
    const Conversation later = converse_with("peer", first);
    const Conversation elsewhere = converse_with("client", second);
    upgrade();
    const Conversation now = converse_with("peer", first);
    order("disable");
    for (const Conversation* each : {&live, &later, &now}) expect_cut(*each);
    EXPECT_TRUE(elsewhere.alive());
}

TEST_P(TakeOutSuccession, DrainWaitsForWhatBeganBeforeAnUpgrade) {
    start();
    std::optional<Conversation> live = converse_with("client", first);
    upgrade();
    std::optional<Conversation> later = converse_with("peer", first);
    upgrade();
    const Outcome in_time = ask({"drain", first.str(), "--wait=0s"});
    EXPECT_EQ(in_time.status, 1);
    EXPECT_NE(in_time.output.find("2 still live there"), std::string::npos) << in_time.output;
    EXPECT_EQ(backend(second).at("active"), 0);

    auto waiting = std::async(std::launch::async, [&] { return ask({"drain", first.str(), "--wait"}); });
    reset(std::move(live->client));
    live.reset();
    EXPECT_TRUE(wait_for([&] { return backend(first).at("active") == 1; })) << backend(first);
    EXPECT_TRUE(later->alive());
    EXPECT_EQ(waiting.wait_for(0s), std::future_status::timeout);
    reset(std::move(later->client));
    later.reset();
    EXPECT_EQ(waiting.get().status, 0);
}

TEST_P(TakeOutSuccession, ADrainTimeoutEndsWhatBeganBeforeAnUpgrade) {
    start();
    const Conversation live = converse_with("client", first);
    const Conversation hairpinned = converse_with("peer", first);
    const Conversation elsewhere = converse_with("client", second);
    upgrade();
    const auto removed = steady_clock::now();
    reload_after_upgrade(yaml(", drain_timeout: 5s", "10.0.0.3:2044"));
    EXPECT_TRUE(live.alive() || steady_clock::now() - removed >= 5s);
    expect_told_of_cut(first, 2);
    EXPECT_GE(steady_clock::now() - removed, 5s);
    expect_cut(live);
    expect_cut(hairpinned);
    EXPECT_TRUE(elsewhere.alive());
}

TEST_P(TakeOutSuccession, WhatIsEnabledInTimeGoesOnThoughItWasDisabledBeforeAnUpgrade) {
    start(yaml(", drain_timeout: 15s"));
    const Conversation stays = converse_with("client", first);
    const Conversation goes = converse_with("client", second);
    order("disable", first.str());
    upgrade();
    order("enable", first.str());
    order("disable", second.str());
    expect_told_of_cut(second);
    expect_cut(goes);
    EXPECT_TRUE(stays.alive()) << lab()->daemon_log();
}

// The kernel's flows outlive the daemon.
class TakeOutInTheKernel : public TakeOutSuccession {
protected:
    // A reload removes a backend, with time until its connections end, and then another daemon comes.
    void expect_end_in_time(const std::function<void()>& succeed) {
        start(yaml(", drain_timeout: 6s"));
        const Conversation live = converse_with("client", first);
        const Conversation hairpinned = converse_with("peer", first);
        const Conversation elsewhere = converse_with("client", second);
        const auto before = steady_clock::now();
        ASSERT_TRUE(lab().reload(yaml(", drain_timeout: 6s", "10.0.0.3:2044")));
        const auto removed = steady_clock::now();
        succeed();
        EXPECT_TRUE((live.alive() && hairpinned.alive()) || steady_clock::now() - before >= 6s);
        expect_told_of_cut(first, 2);
        const auto now = steady_clock::now();
        EXPECT_GE(now - before, 6s);
        EXPECT_LT(now - removed, 6s + patience);
        expect_cut(live);
        expect_cut(hairpinned);
        EXPECT_TRUE(elsewhere.alive());
    }
};

TEST_P(TakeOutInTheKernel, ADrainTimeoutOutlivesACrash) {
    expect_end_in_time([this] { crash(); });
}
TEST_P(TakeOutInTheKernel, ADrainTimeoutOutlivesARestart) {
    expect_end_in_time([this] { restart(); });
}
TEST_P(TakeOutInTheKernel, ADrainTimeoutOutlivesAnUpgrade) {
    expect_end_in_time([this] { upgrade(); });
}

TEST_P(TakeOutInTheKernel, ADisabledBackendsTimeRunsOnWhereThereIsNoDaemon) {
    constexpr auto time = 8s;
    start(yaml(", drain_timeout: 8s"));
    const Conversation live = converse_with("client", first);
    order("disable");
    lab().kill_daemon();
    std::this_thread::sleep_for(time);
    EXPECT_TRUE(live.alive());
    lab().start_daemon();
    const auto started = steady_clock::now();
    expect_told_of_cut(first);
    EXPECT_LT(steady_clock::now() - started, time) << "it is over, and does not begin anew";
    expect_cut(live);
}

TEST_P(TakeOutInTheKernel, WhoIsConfiguredAgainStays) {
    start(yaml(", drain_timeout: 6s"));
    const Conversation stays = converse_with("client", first);
    const Conversation goes = converse_with("client", second);
    ASSERT_TRUE(lab().reload(yaml(", drain_timeout: 6s", "10.0.0.2:2045")));
    lab().kill_daemon();
    lab().rewrite(yaml(", drain_timeout: 6s", "10.0.0.2:2044"));
    lab().start_daemon();
    expect_told_of_cut(second);
    expect_cut(goes);
    EXPECT_TRUE(stays.alive()) << lab()->daemon_log();
}

// What conntrack has of it nobody can tell from others' flows.
class TakeOutInTheFlowTable : public TakeOutInTheKernel {};

TEST_P(TakeOutInTheFlowTable, ADrainTimeoutOfAServiceThatIsGoneOutlivesACrash) {
    start(yaml(", drain_timeout: 6s"));
    const Conversation live = converse_with("client", first);
    const Conversation hairpinned = converse_with("peer", first);
    ASSERT_TRUE(lab().reload("services:\n  other: {listen: 1.0.0.1:1045, backends: 10.0.0.3:2045}\n"));
    crash();
    expect_told_of_cut(first, 2);
    expect_cut(live);
    expect_cut(hairpinned);
}

INSTANTIATE_TEST_SUITE_P(Every, TakeOutSuccession, testing::ValuesIn(engine_names()),
                         [](const auto& engine) { return engine.param; });
INSTANTIATE_TEST_SUITE_P(Every, TakeOutInTheKernel, testing::ValuesIn(kernel_engine_names()),
                         [](const auto& engine) { return engine.param; });
INSTANTIATE_TEST_SUITE_P(Every, TakeOutInTheFlowTable, testing::Values("tc", "xdp"),
                         [](const auto& engine) { return engine.param; });

}  // namespace
}  // namespace hairpin
