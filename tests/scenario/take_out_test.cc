// An operator takes a backend out of service, gently or at once, and brings it back: over the real commands.
//
//   client 1.0.0.100, peer 10.0.0.50 ── gateway 1.0.0.1:1044 ──┬── server1 10.0.0.2:2044  taken out
//                                                              ╰── server2 10.0.0.3:2044
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstring>
#include <future>
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

std::string yaml(std::string_view keys = "", std::string_view backends = "10.0.0.2:2044, 10.0.0.3:2044") {
    return fmt::format("services:\n  srv: {{listen: 1.0.0.1:1044, backends: [{}], protocol: both{}}}\n", backends,
                       keys);
}

class TakeOut : public testing::TestWithParam<std::string> {
protected:
    void start(const std::string& text = yaml()) {
        lab_.emplace(text, GetParam(), TestLab::Backends::none);
        ASSERT_TRUE(*lab_);
        one_ = listen_on(host("server1"), first);
        other_ = listen_on(host("server2"), second);
    }
    const TestLab& lab() const { return *lab_; }
    const lab::Host& host(std::string_view name) const { return lab()->host(name); }

    Outcome ask(std::vector<std::string> arguments) const {
        arguments.insert(arguments.begin(), hairpin_binary());
        arguments.insert(arguments.end(), {"--socket", lab().socket()});
        return outcome_of(host("gateway"), arguments);
    }
    void order(const std::string& order, const std::string& backend = first.str()) const {
        const Outcome outcome = ask({order, backend});
        ASSERT_EQ(outcome.status, 0) << outcome.output << lab()->daemon_log();
    }
    json backend(const Endpoint& endpoint) const {
        const Outcome told = ask({"backends", "--json"});
        const json list = json::parse(told.output, nullptr, false);
        for (const json& one : list.at("backends")) {
            if (one.at("backend") == endpoint.str()) return one;
        }
        ADD_FAILURE() << told.output;
        return {};
    }

    // A live connection of a client to one of the backends.
    Conversation converse_with(const char* client, const Endpoint& backend) const {
        for (int i = 0; i < 4; ++i) {
            Meeting meeting = meet(host(client), service, {&one_, &other_});
            if (!meeting.conversation) break;
            if (local_endpoint(meeting.conversation->backend.get()) == backend) return *std::move(meeting.conversation);
        }
        ADD_FAILURE() << client << " is not led to " << backend.str();
        return {};
    }
    // How many of some new connections reach the first backend; nobody is refused.
    int led_to_first(const char* client) const {
        int count = 0;
        for (int i = 0; i < 4; ++i) {
            const Meeting meeting = meet(host(client), service, {&one_, &other_});
            EXPECT_TRUE(meeting.conversation) << strerror(meeting.refused_with) << lab()->daemon_log();
            if (meeting.conversation) count += local_endpoint(meeting.conversation->backend.get()) == first;
        }
        return count;
    }

    // A proxy resets both ends. Where packets were translated, either is reset when it next says something.
    static void expect_cut(const Conversation& made) {
        for (const Fd* end : {&made.client, &made.backend}) {
            if (GetParam() != "proxy") send_all(*end, "anybody there?");
            EXPECT_EQ(receive_to_end(*end).error, ECONNRESET) << (end == &made.client ? "client" : "backend");
        }
    }

    Fd one_, other_;

private:
    std::optional<TestLab> lab_;
};

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
    EXPECT_NE(lab()->daemon_log().find("service srv: backend 10.0.0.2:2044 is draining (drain): uid "),
              std::string::npos)
        << lab()->daemon_log();
}

TEST_P(TakeOut, LastsOverAnUpgrade) {
    start();
    order("drain");
    EXPECT_EQ(ask({"upgrade"}).status, 0) << lab()->daemon_log();
    EXPECT_EQ(backend(first).at("state"), "draining");
    EXPECT_EQ(led_to_first("client"), 0);
}

TEST_P(TakeOut, LastsOverACrash) {
    start();
    order("drain");
    order("disable", second.str());
    lab().kill_daemon();
    lab().start_daemon();
    EXPECT_EQ(backend(first).at("state"), "draining");
    EXPECT_EQ(backend(second).at("state"), "disabled");
    EXPECT_FALSE(meet(host("client"), service, {&one_, &other_}).conversation);
    EXPECT_NE(lab()->daemon_log().find("service srv: backend 10.0.0.2:2044 is draining, as it was before"),
              std::string::npos)
        << lab()->daemon_log();
    order("undrain");
    order("enable", second.str());
    lab().kill_daemon();
    lab().start_daemon();
    EXPECT_EQ(led_to_first("client"), 2);
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
    EXPECT_TRUE(
        lab()->daemon().wait_for_output("service srv: backend 10.0.0.2:2044: 1 live connection was reset", patience))
        << lab()->daemon_log();
    EXPECT_GE(std::chrono::steady_clock::now() - removed, 1s);
    expect_cut(live);
    EXPECT_TRUE(elsewhere.alive());
}

TEST_P(TakeOut, ADrainTimeoutIsHowLongADisabledBackendsConnectionsGoOn) {
    start(yaml(", drain_timeout: 1s"));
    const Conversation live = converse_with("client", first);
    const auto disabled = std::chrono::steady_clock::now();
    order("disable");
    EXPECT_TRUE(
        lab()->daemon().wait_for_output("service srv: backend 10.0.0.2:2044: 1 live connection was reset", patience))
        << lab()->daemon_log();
    EXPECT_GE(std::chrono::steady_clock::now() - disabled, 1s);
    expect_cut(live);
}

// The kernel's flows outlive the daemon, and so does what is to become of them.
class TakeOutInTheKernel : public TakeOut {};

TEST_P(TakeOutInTheKernel, ADisabledBackendsConnectionsEndThoughTheDaemonDied) {
    start(yaml(", drain_timeout: 1s"));
    const Conversation live = converse_with("client", first);
    order("disable");
    lab().kill_daemon();
    lab().start_daemon();
    EXPECT_TRUE(
        lab()->daemon().wait_for_output("service srv: backend 10.0.0.2:2044: 1 live connection was reset", patience))
        << lab()->daemon_log();
    expect_cut(live);
}

INSTANTIATE_TEST_SUITE_P(Every, TakeOutInTheKernel, testing::ValuesIn(kernel_engine_names()),
                         [](const auto& engine) { return engine.param; });

INSTANTIATE_TEST_SUITE_P(Every, TakeOut, testing::ValuesIn(engine_names()),
                         [](const auto& engine) { return engine.param; });

}  // namespace
}  // namespace hairpin
