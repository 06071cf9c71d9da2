// Backends that are asked for their health: those that are down take no new flow, whichever engine carries it.
//
//   client, peer ──── gateway 1.0.0.1:1044 ──┬── server1 10.0.0.2:2044  dies, and comes back
//                                            ╰── server2 10.0.0.3:2044
//
// Most of them are asked at port 2999, so that a connection to 2044 is one of a client's.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <future>
#include <nlohmann/json.hpp>
#include <thread>

#include "net/socket.h"
#include "support/binary.h"
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
constexpr std::string_view by_tcp = ", port: 2999";

// Who connects is answered by the kernel; what a program must do for an answer takes a busy machine longer.
constexpr std::string_view by_the_kernel = "interval: 200ms, timeout: 150ms, rise: 2, fall: 3";
constexpr std::string_view by_a_program = "interval: 2s, timeout: 2s, rise: 1, fall: 1";

std::string yaml(std::string_view health, std::string_view times = by_the_kernel) {
    return fmt::format(
        "services:\n  srv: {{listen: 1.0.0.1:1044, backends: [10.0.0.2:2044, 10.0.0.3:2044], protocol: both,\n"
        "        health: {{{}{}}}}}\n",
        times, health);
}

// What the gateway says of its backends.
class Gateway {
public:
    Gateway(std::string_view health, const std::string& engine, std::string_view times = by_the_kernel)
        : text_(yaml(health, times)), lab_(text_, engine, TestLab::Backends::none) {}

    explicit operator bool() const { return bool(lab_); }
    const TestLab& lab() const { return lab_; }
    const lab::Host& host(std::string_view name) const { return lab_->host(name); }
    const std::string& text() const { return text_; }

    std::string backends(std::vector<std::string> options) const {
        options.insert(options.begin(), {hairpin_binary(), "backends", "--socket", lab_.socket()});
        return output_of(host("gateway"), options);
    }
    json backend(const Endpoint& endpoint) const {
        const json told = json::parse(backends({"--json"}));
        for (const json& one : told.at("backends")) {
            if (one.at("backend") == endpoint.str()) return one;
        }
        ADD_FAILURE() << endpoint.str() << " is not listed";
        return {};
    }
    // Waits until the engine leads new flows there, or no more.
    testing::AssertionResult serves(const Endpoint& endpoint, bool serving, const std::string& state) const {
        const bool came = wait_for([&] {
            const json now = backend(endpoint);
            return now.at("serving") == serving && now.at("state") == state;
        });
        return came ? testing::AssertionSuccess() : testing::AssertionFailure() << backends({}) << lab_->daemon_log();
    }

private:
    const std::string text_;
    const TestLab lab_;
};

// Says that the backend on a host is alive, for as long as it is open.
Fd pulse(const lab::Host& host, const Endpoint& backend) { return listen_on(host, {backend.ip, 2999}); }

class Health : public testing::TestWithParam<std::string> {
protected:
    // Who got how many of some new connections, and how many clients were refused.
    struct Share {
        int first = 0;
        int second = 0;
        int refused = 0;
    };
    static Share share(const Gateway& gateway, const char* host, const Fd& one, const Fd& other, int clients = 6) {
        Share share;
        for (int i = 0; i < clients; ++i) {
            const Meeting meeting = meet(gateway.host(host), service, {&one, &other});
            if (!meeting.conversation) {
                ++share.refused;
            } else {
                ++(local_endpoint(meeting.conversation->backend.get()) == first ? share.first : share.second);
            }
        }
        return share;
    }
};

TEST_P(Health, ADeadBackendTakesNoNewFlowUntilItIsBack) {
    const Gateway gateway(by_tcp, GetParam());
    ASSERT_TRUE(gateway);
    Fd one = listen_on(gateway.host("server1"), first);
    Fd one_lives = pulse(gateway.host("server1"), first);
    const Fd other = listen_on(gateway.host("server2"), second);
    const Fd other_lives = pulse(gateway.host("server2"), second);
    const UdpSocket one_udp(gateway.host("server1"), first);
    const UdpSocket other_udp(gateway.host("server2"), second);
    ASSERT_TRUE(gateway.serves(first, true, "up"));
    ASSERT_TRUE(gateway.serves(second, true, "up"));

    for (const auto& [host, address] : {std::pair("client", "1.0.0.100"), std::pair("peer", "10.0.0.50")}) {
        SCOPED_TRACE(host);
        std::vector<std::unique_ptr<UdpSocket>> clients;
        for (int i = 0; i < 4; ++i) {  // half of them with each
            clients.push_back(std::make_unique<UdpSocket>(gateway.host(host), at(address)));
            clients.back()->send(service, "before");
        }
        for (int i = 0; i < 2; ++i) {
            ASSERT_TRUE(one_udp.receive());
            ASSERT_TRUE(other_udp.receive());
        }
        std::vector<Conversation> alive;
        for (int i = 0; i < 2; ++i) {
            Meeting meeting = meet(gateway.host(host), service, {&one, &other});
            ASSERT_TRUE(meeting.conversation);
            alive.push_back(*std::move(meeting.conversation));
        }

        one.reset();
        one_lives.reset();
        ASSERT_TRUE(gateway.serves(first, false, "down"));
        const Share without = share(gateway, host, other, other);
        EXPECT_EQ(without.second, 6);
        EXPECT_EQ(without.refused, 0);
        for (const auto& client : clients) exchange(*client, service, other_udp, "after");
        EXPECT_TRUE(one_udp.is_empty());
        for (const Conversation& connection : alive) EXPECT_TRUE(connection.alive());

        one = listen_on(gateway.host("server1"), first);
        one_lives = pulse(gateway.host("server1"), first);
        ASSERT_TRUE(gateway.serves(first, true, "up"));
        const Share with = share(gateway, host, one, other);
        EXPECT_EQ(with.first, 3);
        EXPECT_EQ(with.second, 3);
    }
    EXPECT_TRUE(gateway.lab().logs("service srv: backend 10.0.0.2:2044 is down: connection refused (3 in a row)"));
    EXPECT_TRUE(gateway.lab().logs("service srv: backend 10.0.0.2:2044 is up (2 in a row)"));
    EXPECT_NE(gateway.backends({}).find("srv      10.0.0.2:2044  up "), std::string::npos) << gateway.backends({});
}

// Who acts on what the gateway tells, acts at once.
TEST_P(Health, WhatIsToldIsSo) {
    const Gateway gateway(by_tcp, GetParam());
    ASSERT_TRUE(gateway);
    Fd one_lives = pulse(gateway.host("server1"), first);
    const Fd other = listen_on(gateway.host("server2"), second);
    const Fd other_lives = pulse(gateway.host("server2"), second);
    ASSERT_TRUE(gateway.serves(first, true, "up"));
    ASSERT_TRUE(gateway.serves(second, true, "up"));

    ASSERT_TRUE(gateway.lab().logs_after([&] { one_lives.reset(); },
                                         "service srv: backend 10.0.0.2:2044 is down: connection refused"));
    const Share without = share(gateway, "client", other, other);
    EXPECT_EQ(without.second, 6);
    EXPECT_EQ(without.refused, 0);
}

// Its host is silent, and nobody knows yet when they call: their next SYN finds the other backend.
TEST_P(Health, WhoWaitsForABackendThatIsDownIsLedToAnother) {
    const Gateway gateway(by_tcp, GetParam(), "interval: 1s, timeout: 500ms, rise: 2, fall: 3");
    ASSERT_TRUE(gateway);
    const Fd one_lives = pulse(gateway.host("server1"), first);
    const Fd other = listen_on(gateway.host("server2"), second);
    const Fd other_lives = pulse(gateway.host("server2"), second);
    ASSERT_TRUE(gateway.serves(first, true, "up"));
    ASSERT_TRUE(gateway.serves(second, true, "up"));

    (void)output_of(gateway.host("server1"), {"ip", "link", "set", "eth0", "down"});
    std::vector<std::future<bool>> calls;
    for (int i = 0; i < 4; ++i) {  // half of them to each
        for (const char* host : {"client", "peer"}) {
            calls.push_back(std::async(std::launch::async, [&gateway, host] {
                return bool(connect_from(gateway.host(host), {Protocol::tcp, at("0.0.0.0"), service}));
            }));
        }
    }
    for (auto& call : calls) EXPECT_TRUE(call.get()) << gateway.lab()->daemon_log();
    EXPECT_TRUE(gateway.serves(first, false, "down"));
    if (GetParam() != "proxy") {  // which has said nothing of the other backend to anybody
        EXPECT_TRUE(gateway.lab().logs("that no backend has answered: to begin anew"));
    }
}

TEST_P(Health, WhereNoneIsUpAllAreTried) {
    const Gateway gateway(", port: 2999, when_none: all", GetParam());
    ASSERT_TRUE(gateway);
    // Asked later than this, the gateway says what its engine does by then.
    ASSERT_TRUE(gateway.lab()->daemon().wait_for_output(
        "service srv: too few backends are up: new flows go to all of them", patience));
    const UdpSocket one_udp(gateway.host("server1"), first);
    const UdpSocket other_udp(gateway.host("server2"), second);
    ASSERT_TRUE(gateway.serves(first, true, "down"));
    ASSERT_TRUE(gateway.serves(second, true, "down"));
    const UdpSocket clients[] = {{gateway.host("client"), at("1.0.0.100")}, {gateway.host("client"), at("1.0.0.100")}};
    for (const UdpSocket& client : clients) client.send(service, "question");
    EXPECT_TRUE(one_udp.receive());
    EXPECT_TRUE(other_udp.receive());
}

TEST_P(Health, WhereNoneIsUpClientsAreRefused) {
    const Gateway gateway(", port: 2999, when_none: refuse", GetParam());
    ASSERT_TRUE(gateway);
    const UdpSocket one_udp(gateway.host("server1"), first);
    const UdpSocket other_udp(gateway.host("server2"), second);
    ASSERT_TRUE(gateway.serves(first, false, "down"));
    ASSERT_TRUE(gateway.serves(second, false, "down"));

    // Something of the gateway's own, on the same port, is not the service.
    Fd intruder;
    if (GetParam() != "proxy") intruder = listen_on(gateway.host("gateway"), at("0.0.0.0:1044"));
    for (const char* host : {"client", "peer", "server1", "gateway"}) {
        SCOPED_TRACE(host);
        const Fd refused = dial(gateway.host(host), service);
        const int why = refused ? receive_to_end(refused).error : errno;
        EXPECT_TRUE(why == (GetParam() == "proxy" ? ECONNRESET : ECONNREFUSED)) << strerror(why);
        const UdpSocket client(gateway.host(host), {Ip::any(Family::v4), 0});
        const SockAddr to(service);
        (void)sendto(client.fd(), "question", 8, 0, to.get(), to.size());  // refused at once to a local one
    }
    if (intruder) {
        EXPECT_FALSE(is_readable(intruder, 0ms));
    }
    EXPECT_TRUE(wait_for([&] { return gateway.lab().stats("srv").refused_for(Refusal::backend) >= 8; }));
    EXPECT_TRUE(gateway.lab().logs(
        R"(backend {"service":"srv","backend":"10.0.0.2:2044","name":null,"state":"down","serving":false)"));
    EXPECT_TRUE(one_udp.is_empty());
    EXPECT_TRUE(other_udp.is_empty());
    EXPECT_TRUE(gateway.lab()->daemon().wait_for_output("service srv: too few backends are up: new flows are refused",
                                                        patience));

    const Fd other = listen_on(gateway.host("server2"), second);
    const Fd other_lives = pulse(gateway.host("server2"), second);
    ASSERT_TRUE(gateway.serves(second, true, "up"));
    for (const char* host : {"client", "peer", "gateway"}) {
        EXPECT_EQ(share(gateway, host, other, other, 2).second, 2) << host;
        const UdpSocket client(gateway.host(host), {Ip::any(Family::v4), 0});
        client.send(service, "question");
        EXPECT_TRUE(other_udp.receive());
    }
    EXPECT_TRUE(gateway.lab()->daemon().wait_for_output("service srv: enough backends are up again", patience));
}

// Answers each connection with a status that can change.
class HttpServer {
public:
    HttpServer(const lab::Host& host, const Endpoint& endpoint) : listener_(listen_on(host, endpoint)) {
        thread_ = std::thread([this] {
            while (!stop_) {
                if (!is_readable(listener_, 10ms)) continue;
                const Fd client = accept_from(listener_);
                if (is_readable(client, 1s)) (void)recv(client.get(), request_.data(), request_.size(), 0);
                send_all(client, "HTTP/1.1 " + std::to_string(status) + " -\r\nContent-Length: 0\r\n\r\n");
                finish(client);
            }
        });
    }
    ~HttpServer() {
        stop_ = true;
        thread_.join();
    }
    std::atomic<int> status = 200;

private:
    Fd listener_;
    std::string request_ = std::string(4096, '\0');
    std::atomic<bool> stop_ = false;
    std::thread thread_;
};

TEST_P(Health, AnHttpServerIsDownThatAnswersWithAnError) {
    const Gateway gateway(", kind: http, path: /health, status: 200", GetParam(), by_a_program);
    ASSERT_TRUE(gateway);
    HttpServer one(gateway.host("server1"), first);
    HttpServer other(gateway.host("server2"), second);
    ASSERT_TRUE(gateway.serves(first, true, "up"));
    ASSERT_TRUE(gateway.serves(second, true, "up"));
    one.status = 500;
    ASSERT_TRUE(gateway.serves(first, false, "down"));
    EXPECT_EQ(gateway.backend(first).at("reason"), "HTTP status 500");
    EXPECT_EQ(gateway.backend(first).at("check"), "http");
    EXPECT_EQ(gateway.backend(second).at("state"), "up");
    one.status = 200;
    ASSERT_TRUE(gateway.serves(first, true, "up"));
}

TEST_P(Health, ACommandDecides) {
    const TemporaryDirectory folder;
    std::ofstream(folder / "10.0.0.2") << "\n";
    std::ofstream(folder / "10.0.0.3") << "\n";
    const Gateway gateway(", command: [sh, -c, 'test -e " + folder / "$HAIRPIN_ADDRESS'" + "]", GetParam(),
                          by_a_program);
    ASSERT_TRUE(gateway);
    ASSERT_TRUE(gateway.serves(first, true, "up"));
    ASSERT_TRUE(gateway.serves(second, true, "up"));
    std::filesystem::remove(folder / "10.0.0.2");
    ASSERT_TRUE(gateway.serves(first, false, "down"));
    EXPECT_EQ(gateway.backend(first).at("reason"), "exit status 1");
}

TEST_P(Health, AReloadKeepsWhatIsKnown) {
    const Gateway gateway(", port: 2999, when_none: refuse", GetParam());
    ASSERT_TRUE(gateway);
    const Fd other = listen_on(gateway.host("server2"), second);
    const Fd other_lives = pulse(gateway.host("server2"), second);
    ASSERT_TRUE(gateway.serves(first, false, "down"));
    ASSERT_TRUE(gateway.serves(second, true, "up"));
    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(gateway.lab().reload(gateway.text()));
        EXPECT_EQ(share(gateway, "client", other, other, 2).second, 2);
    }
    EXPECT_EQ(gateway.backend(first).at("state"), "down");
    EXPECT_GT(gateway.backend(first).at("for_ms"), 0);

    const std::string unchecked = "services: {srv: {listen: 1.0.0.1:1044, backends: [10.0.0.2:2044, 10.0.0.3:2044]}}";
    ASSERT_TRUE(gateway.lab().reload(unchecked));
    EXPECT_EQ(gateway.backend(first).at("state"), "unchecked");
    EXPECT_EQ(gateway.backend(first).at("serving"), true);
}

INSTANTIATE_TEST_SUITE_P(Every, Health, testing::ValuesIn(engine_names()));

}  // namespace
}  // namespace hairpin
