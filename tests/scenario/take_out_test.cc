// An operator takes a backend out of service, gently or at once, and brings it back: over the real commands.
#include <future>

#include "support/take_out.h"

namespace hairpin {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

TEST_P(TakeOut, DrainLeadsNewConnectionsElsewhereAndLeavesLiveOnes) {
    start();
    for (const char* client : {"client", "peer"}) {
        SCOPED_TRACE(client);
        const Conversation live = converse_with(client, first);
        order("drain");
        EXPECT_EQ(led_to_first(client), 0);
        EXPECT_TRUE(live.alive());
        json told = backend(first);
        EXPECT_EQ(told.at("state"), "draining");
        EXPECT_EQ(told.at("serving"), false);
        EXPECT_GE(told.at("active"), 1);
        EXPECT_EQ(backend(second).at("serving"), true);

        EXPECT_TRUE(lab().reload(yaml()));
        EXPECT_EQ(backend(first).at("state"), "draining") << "a reload keeps it";
        EXPECT_EQ(led_to_first(client), 0);

        order("undrain");
        EXPECT_EQ(backend(first).at("serving"), true);
        EXPECT_EQ(led_to_first(client), 2);
        EXPECT_TRUE(live.alive());
    }
    EXPECT_TRUE(lab().logs("service srv: backend 10.0.0.2:2044 is draining (drain): uid "));
}

TEST_P(TakeOut, DisableEndsLiveConnectionsAndEnableBringsTheBackendBack) {
    start();
    for (const char* client : {"client", "peer"}) {
        SCOPED_TRACE(client);
        const Conversation live = converse_with(client, first);
        const Conversation elsewhere = converse_with(client, second);
        order("disable", "10.0.0.2");
        expect_cut(live);
        EXPECT_TRUE(elsewhere.alive());
        EXPECT_EQ(led_to_first(client), 0);
        EXPECT_EQ(backend(first).at("state"), "disabled");
        EXPECT_EQ(backend(first).at("active"), 0);
        order("undrain");
        EXPECT_EQ(backend(first).at("state"), "disabled");
        order("enable");
        EXPECT_EQ(led_to_first(client), 2);
    }
}

TEST_P(TakeOut, LeadsUdpClientsElsewhereAtOnce) {
    start();
    const UdpSocket one(host("server1"), first);
    const UdpSocket other(host("server2"), second);
    for (const auto& [name, address] : {std::pair("client", "1.0.0.100"), std::pair("peer", "10.0.0.50")}) {
        for (const auto& [take_out, bring_back] : {std::pair("drain", "undrain"), std::pair("disable", "enable")}) {
            SCOPED_TRACE(fmt::format("{} {}", name, take_out));
            std::vector<std::unique_ptr<UdpSocket>> clients;
            for (int i = 0; i < 2; ++i) {  // one with each
                clients.push_back(std::make_unique<UdpSocket>(host(name), at(address)));
                clients.back()->send(service, "before");
            }
            ASSERT_TRUE(one.receive());
            ASSERT_TRUE(other.receive());
            order(take_out);
            for (const auto& client : clients) {
                client->send(service, "after");
                EXPECT_TRUE(other.receive());
            }
            EXPECT_TRUE(one.is_empty());
            order(bring_back);
        }
    }
}

TEST_P(TakeOut, RefusesNewConnectionsWhereNobodyIsLeft) {
    start(yaml(", health: {when_none: all, port: 2999, interval: 200ms, timeout: 150ms}"));
    // While one is known to be down, and the other is not yet, that one takes all.
    ASSERT_TRUE(lab().logs("service srv: too few backends are up: new flows go to all of them"));
    const Conversation live = converse_with("client", first);
    order("drain", first.str());
    order("drain", second.str());
    const Meeting meeting = meet(host("client"), service, {&one_, &other_});
    EXPECT_FALSE(meeting.conversation) << "`when_none: all` brings nobody back that an operator took out";
    EXPECT_TRUE(live.alive());
    const Outcome status = ask({"status"});
    EXPECT_EQ(status.status, 1);
    EXPECT_NE(status.output.find("service srv: all its backends are taken out"), std::string::npos) << status.output;
    order("undrain", second.str());
    EXPECT_EQ(led_to_first("client"), 0);
}

TEST_P(TakeOut, DrainWaitsUntilNobodyIsLeft) {
    start();
    std::optional<Conversation> live = converse_with("client", first);
    const Outcome in_time = ask({"drain", first.str(), "--wait=0s"});
    EXPECT_EQ(in_time.status, 1);
    EXPECT_NE(in_time.output.find("1 still live there"), std::string::npos) << in_time.output;

    auto waiting = std::async(std::launch::async, [&] { return ask({"drain", first.str(), "--wait"}); });
    reset(std::move(live->client));
    live.reset();
    EXPECT_EQ(waiting.get().status, 0);
}

TEST_P(TakeOut, AnUnknownBackendIsToldWhatIsNear) {
    start();
    const Outcome outcome = ask({"drain", "10.0.0.2:2045"});
    EXPECT_EQ(outcome.status, 2);
    EXPECT_EQ(outcome.output, "hairpin drain: there is no backend 10.0.0.2:2045: near it are 10.0.0.2:2044\n");
    EXPECT_EQ(ask({"disable", "10.0.0.2:2044", "--service", "sry"}).status, 2);
    EXPECT_EQ(ask({"disable", "server1"}).status, 2);
    EXPECT_EQ(ask({"drain", "10.0.0.2:2044", "--wait", "1"}).status, 2);
    EXPECT_EQ(led_to_first("client"), 2);
}

TEST_P(TakeOut, ADrainTimeoutEndsWhatLivesAtARemovedBackend) {
    start(yaml(", drain_timeout: 1s"));
    const Conversation live = converse_with("client", first);
    const Conversation elsewhere = converse_with("client", second);
    const auto removed = std::chrono::steady_clock::now();
    ASSERT_TRUE(lab().reload(yaml(", drain_timeout: 1s", "10.0.0.3:2044")));
    EXPECT_EQ(led_to_first("client"), 0);
    expect_told_of_cut(first);
    EXPECT_GE(std::chrono::steady_clock::now() - removed, 1s);
    expect_cut(live);
    EXPECT_TRUE(elsewhere.alive());
}

TEST_P(TakeOut, ADrainTimeoutIsHowLongADisabledBackendsConnectionsGoOn) {
    start(yaml(", drain_timeout: 1s"));
    const Conversation live = converse_with("client", first);
    const auto disabled = std::chrono::steady_clock::now();
    order("disable");
    expect_told_of_cut(first);
    EXPECT_GE(std::chrono::steady_clock::now() - disabled, 1s);
    expect_cut(live);
}

INSTANTIATE_TEST_SUITE_P(Every, TakeOut, testing::ValuesIn(engine_names()),
                         [](const auto& engine) { return engine.param; });

}  // namespace
}  // namespace hairpin
