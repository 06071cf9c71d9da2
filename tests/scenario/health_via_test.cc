// Backends whose answers to clients bypass the gateway: a check that asks as clients outside do finds and names them,
// whichever engine carries these.
//
//                                              ╭── server1 10.0.0.2, fd00::2   its default route leads elsewhere
//   client ── 1.0.0.1, 2001:db8::1  gateway ───┼── server2 10.0.0.3, fd00::3
//   1.0.0.100                                  ╰── peer 10.0.0.50              which passes nothing on
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
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

// A service of each family.
struct Side {
    const char* name;
    Ip external;
    Endpoint service, first, second;
    const char* hairpinned;  // the host of the second backend
};
std::vector<Side> sides() {
    return {{"v4", *Ip::parse("1.0.0.1"), at("1.0.0.1:1044"), at("10.0.0.2:2044"), at("10.0.0.3:2044"), "server2"},
            {"v6", *Ip::parse("2001:db8::1"), at("[2001:db8::1]:1066"), at("[fd00::2]:2066"), at("[fd00::3]:2066"),
             "server4"}};
}

std::string yaml(std::string_view via, std::string_view source = "auto") {
    constexpr std::string_view health = "{{port: 2999, interval: 600ms, timeout: 300ms, rise: 1, fall: 2, via: {}}}";
    return fmt::format(R"(
defaults: {{source: {}, health: {}}}
services:
  v4: {{listen: "1.0.0.1:1044", backends: ["10.0.0.2:2044", "10.0.0.3:2044"]}}
  v6: {{listen: "[2001:db8::1]:1066", backends: ["[fd00::2]:2066", "[fd00::3]:2066"]}}
)",
                       source, fmt::format(health, via));
}

class HealthVia : public testing::TestWithParam<std::string> {
protected:
    static bool keeps_clients() { return abilities_of(GetParam()).foreign_source; }

    void serve(const std::string& yaml) {
        lab_ = std::make_unique<TestLab>(yaml, GetParam(), TestLab::Backends::none);
        ASSERT_TRUE(*lab_);
    }
    // Backends of both families that accept connections, and say that they are alive.
    void serve_sides(const std::string& yaml) {
        ASSERT_NO_FATAL_FAILURE(serve(yaml));
        for (const Side& side : sides()) {
            for (const Endpoint& backend : {side.first, side.second}) {
                listeners_[backend] = listen_on(host_of(backend), backend);
                pulses_.push_back(listen_on(host_of(backend), {backend.ip, 2999}));
            }
        }
    }

    const lab::Host& host(std::string_view name) const { return (*lab_)->host(name); }
    const lab::Host& host_of(const Endpoint& backend) const { return host_with(*lab_, backend); }
    std::string log() const { return (*lab_)->daemon_log(); }

    std::string backends(std::vector<std::string> options = {}) const {
        options.insert(options.begin(), {hairpin_binary(), "backends", "--socket", lab_->socket()});
        return output_of(host("gateway"), options);
    }
    json backend(std::string_view service, const Endpoint& endpoint) const {
        const json told = json::parse(backends({"--json"}));
        for (const json& one : told.at("backends")) {
            if (one.at("service") == service && one.at("backend") == endpoint.str()) return one;
        }
        ADD_FAILURE() << endpoint.str() << " is not listed";
        return {};
    }
    testing::AssertionResult becomes(std::string_view service, const Endpoint& endpoint, std::string_view state) const {
        const bool came = wait_for([&] {
            const json now = backend(service, endpoint);
            return now.at("state") == state && now.at("serving") == (state == "up");
        });
        return came ? testing::AssertionSuccess()
                    : testing::AssertionFailure() << service << " is not " << state << "\n"
                                                  << backends() << log();
    }
    // Waits for so many more checks of a backend, all of which must have passed.
    testing::AssertionResult stays_up(const Side& side, int checks) const {
        const int before = backend(side.name, side.first).at("in_a_row");
        bool up = true;
        const bool came = wait_for([&] {
            const json now = backend(side.name, side.first);
            up = now.at("state") == "up" && now.at("reason") == nullptr;
            return !up || now.at("in_a_row") >= before + checks;
        });
        return came && up ? testing::AssertionSuccess() : testing::AssertionFailure() << backends() << log();
    }

    // The default routes of the first backends: to a router that passes nothing on, or to none.
    void lead_astray() const {
        command(host_of(sides()[0].first), "ip route replace default via 10.0.0.50");
        command(host_of(sides()[1].first), "ip -6 route del default");
    }
    void lead_home() const {
        command(host_of(sides()[0].first), "ip route replace default via 10.0.0.1");
        command(host_of(sides()[1].first), "ip -6 route add default via fd00::1");
    }

    // How many of some new connections the first backend of a side gets; those of every client are served.
    int share_of_first(const Side& side, const char* from, int clients = 4) {
        int share = 0;
        for (int i = 0; i < clients; ++i) {
            const Meeting meeting = meet(host(from), side.service, {&listeners_[side.first], &listeners_[side.second]});
            EXPECT_TRUE(meeting.conversation) << from << " is refused with " << meeting.refused_with << "\n" << log();
            if (!meeting.conversation) continue;
            EXPECT_TRUE(meeting.conversation->alive()) << from;
            if (local_endpoint(meeting.conversation->backend.get()) == side.first) ++share;
        }
        return share;
    }

    // What is said of a backend whose answers do not come as they should.
    static std::string complaint(const Side& side) {
        return fmt::format(
            "it answers the gateway, but not clients: what it sends to {} does not come back through this gateway{}; "
            "its default route, or policy routing, is to lead here",
            side.external.str(), keeps_clients() ? " on link int" : "");
    }

    std::unique_ptr<TestLab> lab_;
    std::map<Endpoint, Fd> listeners_;
    std::vector<Fd> pulses_;
};

TEST_P(HealthVia, ABackendWithAnotherDefaultRouteIsNamedAndTakesNoClient) {
    ASSERT_NO_FATAL_FAILURE(serve_sides(yaml("backend")));
    lead_astray();
    for (const Side& side : sides()) {
        ASSERT_TRUE(becomes(side.name, side.first, "up"));
        EXPECT_TRUE(stays_up(side, 2)) << "nothing is asked of its routes";
    }

    ASSERT_TRUE(lab_->reload(yaml("endpoint")));
    for (const Side& side : sides()) {
        SCOPED_TRACE(side.name);
        ASSERT_TRUE(becomes(side.name, side.first, "down"));
        ASSERT_TRUE(becomes(side.name, side.second, "up"));
        EXPECT_EQ(backend(side.name, side.first).at("reason"), complaint(side));
        EXPECT_NE(backends().find(complaint(side)), std::string::npos) << backends();
        EXPECT_NE(
            log().find(fmt::format("service {}: backend {} is down: {}", side.name, side.first.str(), complaint(side))),
            std::string::npos)
            << log();
        for (const char* from : {"client", "peer", "gateway", side.hairpinned})
            EXPECT_EQ(share_of_first(side, from), 0);
    }

    lead_home();
    for (const Side& side : sides()) {
        SCOPED_TRACE(side.name);
        ASSERT_TRUE(becomes(side.name, side.first, "up"));
        for (const char* from : {"client", "peer", side.hairpinned}) EXPECT_EQ(share_of_first(side, from), 2) << from;
    }
}

TEST_P(HealthVia, WhereTheBackendSeesTheGatewayItsDefaultRouteDoesNotMatter) {
    ASSERT_NO_FATAL_FAILURE(serve_sides(yaml("endpoint", "gateway")));
    lead_astray();
    for (const Side& side : sides()) {
        ASSERT_TRUE(becomes(side.name, side.first, "up"));
        EXPECT_TRUE(stays_up(side, 3));
        EXPECT_EQ(share_of_first(side, "client"), 2);
    }
}

// A wire of its own leads from the backend to another router, which is the client here, and that brings its answers to
// the gateway's outside.
TEST_P(HealthVia, AnAnswerByAnotherLinkIsNone) {
    ASSERT_NO_FATAL_FAILURE(serve_sides(yaml("endpoint")));
    const lab::Host& router = host("client");
    command(router, "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
    for (const Side& side : sides()) {
        SCOPED_TRACE(side.name);
        ASSERT_TRUE(becomes(side.name, side.first, "up"));
        const lab::Host& server = host_of(side.first);
        const std::string family = side.first.ip.is_v4() ? "-4" : "-6";
        const std::string network = side.first.ip.is_v4() ? "10.8.0." : "fd08::";
        command(server, fmt::format("ip link add side{} type veth peer name side{} netns /proc/{}/fd/{}", side.name,
                                    side.name, getpid(), router.netns()));
        for (const auto& [on, number] : {std::pair(&router, 1), std::pair(&server, 2)}) {
            command(*on, fmt::format("ip {} address add {}{}/{} dev side{} {}", family, network, number,
                                     side.first.ip.is_v4() ? 24 : 64, side.name, side.first.ip.is_v4() ? "" : "nodad"));
            command(*on, fmt::format("ip link set side{} up", side.name));
        }
        command(server, fmt::format("ip {} route replace default via {}1", family, network));
    }
    for (const Side& side : sides()) {
        SCOPED_TRACE(side.name);
        if (keeps_clients()) {  // who hear it from there, as from a stranger
            ASSERT_TRUE(becomes(side.name, side.first, "down"));
            EXPECT_EQ(backend(side.name, side.first).at("reason"), complaint(side));
            EXPECT_EQ(share_of_first(side, "client"), 0);
        } else {  // its own sockets take what comes, by whichever link
            EXPECT_TRUE(stays_up(side, 3));
            EXPECT_EQ(share_of_first(side, "client"), 2);
        }
    }
}

TEST_P(HealthVia, AnAddressThatTheGatewayHasLostProvesNothing) {
    ASSERT_NO_FATAL_FAILURE(serve_sides(yaml("endpoint")));
    const Side v4 = sides()[0];
    for (const Side& side : sides()) {
        for (const Endpoint& one : {side.first, side.second}) ASSERT_TRUE(becomes(side.name, one, "up"));
    }
    const size_t before = log().size();
    command(host("gateway"), "ip address del 1.0.0.1/24 dev ext");
    if (keeps_clients()) {  // the kernel translates to and from an address that it has not
        ASSERT_TRUE((*lab_)->daemon().wait_for_output(
            "service v4: health.via: endpoint: none of its IPv4 addresses can stand for clients", patience))
            << log();
    }
    EXPECT_TRUE(stays_up(v4, 4));
    EXPECT_EQ(log().find("is down", before), std::string::npos) << log();
}

// Answers whoever asks over TCP and UDP, as HTTP does, and remembers whom.
class Answerer {
public:
    Answerer(const lab::Host& host, const Endpoint& endpoint)
        : listener_(listen_on(host, endpoint)), datagrams_(host, endpoint) {
        thread_ = std::thread([this] {
            while (!stop_) {
                if (is_readable(listener_, 5ms)) answer(accept_from(listener_));
                if (const auto asked = datagrams_.receive(5ms)) {
                    datagrams_.send(asked->from, text);
                    if (asked->from.ip == expected_) ++datagrams_met;
                }
            }
        });
    }
    ~Answerer() {
        stop_ = true;
        thread_.join();
    }
    std::atomic<int> connections_met = 0;  // from the external address
    std::atomic<int> datagrams_met = 0;

private:
    static constexpr std::string_view text = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

    void answer(const Fd& client) {
        const auto from = peer_endpoint(client.get());
        if (from && from->ip == expected_) ++connections_met;
        if (is_readable(client, 300ms)) (void)recv(client.get(), heard_.data(), heard_.size(), 0);
        send_all(client, text);
        finish(client);
    }

    const Ip expected_ = *Ip::parse("1.0.0.1");
    Fd listener_;
    UdpSocket datagrams_;
    std::string heard_ = std::string(4096, '\0');
    std::atomic<bool> stop_ = false;
    std::thread thread_;
};

TEST_P(HealthVia, EveryKindOfCheckAsksSo) {
    constexpr std::string_view times = "port: 2999, via: endpoint, interval: 600ms, timeout: 300ms, rise: 1, fall: 2";
    ASSERT_NO_FATAL_FAILURE(serve(fmt::format(R"(
services:
  said: {{listen: "1.0.0.1:1", backends: "10.0.0.2:2001", health: {{{0}, send: hello, expect: OK}}}}
  http: {{listen: "1.0.0.1:2", backends: "10.0.0.2:2002", health: {{{0}, kind: http}}}}
  udp: {{listen: "1.0.0.1:3", backends: "10.0.0.2:2003", health: {{{0}, kind: udp}}}}
)",
                                              times)));
    command(host("gateway"), "sysctl -qw net.ipv4.conf.all.rp_filter=1");  // strict
    const Answerer server(host("server1"), at("10.0.0.2:2999"));
    const std::vector<std::pair<std::string, Endpoint>> all = {
        {"said", at("10.0.0.2:2001")}, {"http", at("10.0.0.2:2002")}, {"udp", at("10.0.0.2:2003")}};
    const auto are = [&](std::string_view state) {
        return wait_for([&] {
            return std::ranges::all_of(
                all, [&](const auto& one) { return backend(one.first, one.second).at("state") == state; });
        });
    };
    ASSERT_TRUE(are("up")) << backends() << log();
    EXPECT_GE(server.connections_met, 2) << "they did not ask from there";
    EXPECT_GE(server.datagrams_met, 1);

    command(host("server1"), "ip route replace default via 10.0.0.50");
    ASSERT_TRUE(are("down")) << backends() << log();
    for (const auto& [name, endpoint] : all) {
        EXPECT_EQ(backend(name, endpoint).at("reason"), complaint(sides()[0])) << name;
    }
    command(host("server1"), "ip route replace default via 10.0.0.1");
    EXPECT_TRUE(are("up")) << backends() << log();
}

INSTANTIATE_TEST_SUITE_P(Every, HealthVia, testing::ValuesIn(engine_names()));

}  // namespace
}  // namespace hairpin
