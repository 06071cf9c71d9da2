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

#include <algorithm>
#include <atomic>
#include <limits>
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

// A service, and a backend of it.
using Checked = std::pair<std::string, Endpoint>;
std::vector<Checked> first_backends() {
    std::vector<Checked> firsts;
    for (const Side& side : sides()) firsts.emplace_back(side.name, side.first);
    return firsts;
}

// A machine that is busy for a second is no reason for a backend to go down.
constexpr std::string_view times = "interval: 1s, timeout: 500ms, rise: 1, fall: 3";

std::string yaml(std::string_view via, std::string_view source = "auto") {
    return fmt::format(R"(
defaults: {{source: {}, health: {{port: 2999, {}, via: {}}}}}
services:
  v4: {{listen: "1.0.0.1:1044", backends: ["10.0.0.2:2044", "10.0.0.3:2044"]}}
  v6: {{listen: "[2001:db8::1]:1066", backends: ["[fd00::2]:2066", "[fd00::3]:2066"]}}
)",
                       source, times, via);
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
    std::string events() const {
        return output_of(host("gateway"), {hairpin_binary(), "events", "--json", "--socket", lab_->socket()});
    }
    // Whether an event of this kind comes whose message begins so, which the log says, too.
    bool is_told(std::string_view kind, const std::string& message) const {
        const std::string event = fmt::format(R"("kind":"{}","level":"{}","message":"{})", kind,
                                              kind.ends_with("impaired") ? "warning" : "info", message);
        return wait_for([&] { return events().find(event) != std::string::npos; }) &&
               log().find(message) != std::string::npos;
    }
    // Waits for so many more checks of each to pass in a row, while none goes down. A busy machine may make one fail:
    // then they are counted anew.
    testing::AssertionResult keep_passing(const std::vector<Checked>& all, int checks) const {
        bool up = true;
        std::vector<int> since(all.size(), std::numeric_limits<int>::max());
        const bool came = wait_for([&] {
            bool enough = true;
            for (size_t i = 0; i < all.size(); ++i) {
                const json now = backend(all[i].first, all[i].second);
                up = up && now.at("state") == "up";
                const int passed = now.at("reason") == nullptr ? now.at("in_a_row").get<int>() : 0;
                since[i] = std::min(since[i], passed);
                enough = enough && passed - since[i] >= checks;
            }
            return !up || enough;
        });
        return came && up ? testing::AssertionSuccess() : testing::AssertionFailure() << backends() << log();
    }
    // Waits until it is down for that reason.
    testing::AssertionResult is_accused(const Checked& checked, const std::string& reason) const {
        const bool came = wait_for([&] {
            const json now = backend(checked.first, checked.second);
            return now.at("state") == "down" && now.at("reason") == reason;
        });
        return came ? testing::AssertionSuccess() : testing::AssertionFailure() << backends() << log();
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
    for (const Side& side : sides()) ASSERT_TRUE(becomes(side.name, side.first, "up"));
    EXPECT_TRUE(keep_passing(first_backends(), 2)) << "nothing is asked of its routes";

    ASSERT_TRUE(lab_->reload(yaml("endpoint")));
    for (const Side& side : sides()) {
        SCOPED_TRACE(side.name);
        ASSERT_TRUE(becomes(side.name, side.first, "down"));
        ASSERT_TRUE(becomes(side.name, side.second, "up"));
        EXPECT_TRUE(is_accused({side.name, side.first}, complaint(side)));
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
    }
    EXPECT_TRUE(keep_passing(first_backends(), 3));
    for (const Side& side : sides()) EXPECT_EQ(share_of_first(side, "client"), 2);
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
            EXPECT_TRUE(is_accused({side.name, side.first}, complaint(side)));
            EXPECT_EQ(share_of_first(side, "client"), 0);
        } else {  // its own sockets take what comes, by whichever link
            EXPECT_TRUE(keep_passing({{side.name, side.first}}, 3));
            EXPECT_EQ(share_of_first(side, "client"), 2);
        }
    }
}

TEST_P(HealthVia, AnAddressThatTheGatewayHasLostProvesNothing) {
    const std::string lacking = "service v4: health.via: endpoint: none of its IPv4 addresses can stand for clients";
    ASSERT_NO_FATAL_FAILURE(serve_sides(yaml("endpoint")));
    for (const Side& side : sides()) {
        for (const Endpoint& one : {side.first, side.second}) ASSERT_TRUE(becomes(side.name, one, "up"));
    }
    const size_t before = log().size();
    command(host("gateway"), "ip address del 1.0.0.1/24 dev ext");
    if (keeps_clients()) {  // the kernel translates to and from an address that it has not
        EXPECT_TRUE(is_told("checks_impaired", "as things stand: " + lacking)) << events() << log();
    }
    EXPECT_TRUE(keep_passing({first_backends()[0]}, 4));
    EXPECT_EQ(log().find("is down", before), std::string::npos) << log();
    command(host("gateway"), "ip address add 1.0.0.1/24 dev ext");
    if (keeps_clients()) {
        EXPECT_TRUE(is_told("checks_restored", "no longer so: " + lacking)) << events() << log();
    }
}

// Answers whoever asks over TCP and UDP, as HTTP does, and counts whom it expected.
class Answerer {
public:
    Answerer(const lab::Host& host, const Endpoint& endpoint, const Ip& expected)
        : expected_(expected), listener_(listen_on(host, endpoint)), datagrams_(host, endpoint) {
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
    std::atomic<int> connections_met = 0;
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

    const Ip expected_;
    Fd listener_;
    UdpSocket datagrams_;
    std::string heard_ = std::string(4096, '\0');
    std::atomic<bool> stop_ = false;
    std::thread thread_;
};

// A service for each kind of check, of one server that answers all of them.
class EveryKindOfCheck : public HealthVia {
protected:
    void serve_kinds(const Side& side) {
        const auto of_kind = [&](std::string_view service, uint16_t number, std::string_view kind) {
            const Endpoint backend = {side.first.ip, static_cast<uint16_t>(2000 + number)};
            all_.emplace_back(service, backend);
            return fmt::format(
                "  {}: {{listen: \"{}\", backends: \"{}\", health: {{port: 2999, via: endpoint, {}, {}}}}}\n", service,
                Endpoint{side.external, number}.str(), backend.str(), times, kind);
        };
        ASSERT_NO_FATAL_FAILURE(serve("services:\n" + of_kind("said", 1, "send: hello, expect: OK") +
                                      of_kind("http", 2, "kind: http") + of_kind("udp", 3, "kind: udp")));
        command(host("gateway"), "sysctl -qw net.ipv4.conf.all.rp_filter=1");  // strict
        server_ = std::make_unique<Answerer>(host_of(side.first), Endpoint{side.first.ip, 2999}, side.external);
        for (const auto& [service, endpoint] : all_) ASSERT_TRUE(becomes(service, endpoint, "up"));
    }

    std::vector<Checked> all_;
    std::unique_ptr<Answerer> server_;
};

TEST_P(EveryKindOfCheck, AsksAsClientsDo) {
    ASSERT_NO_FATAL_FAILURE(serve_kinds(sides()[0]));
    EXPECT_TRUE(wait_for([&] { return server_->connections_met >= 2 && server_->datagrams_met >= 1; }))
        << "they did not ask from there";

    command(host("server1"), "ip route replace default via 10.0.0.50");
    for (const Checked& one : all_) EXPECT_TRUE(is_accused(one, complaint(sides()[0])));
    command(host("server1"), "ip route replace default via 10.0.0.1");
    for (const auto& [service, endpoint] : all_) EXPECT_TRUE(becomes(service, endpoint, "up"));
}

// What the gateway's own routing has against the address of clients is no fault of the backend. Where it asks by a
// link, IPv4 does not ask these routes: it takes the backend for a neighbour then (ip_route_output_key_hash_rcu()).
TEST_P(EveryKindOfCheck, ThatCannotAskFromThereProvesNothing) {
    const Side side = sides()[keeps_clients() ? 1 : 0];
    ASSERT_NO_FATAL_FAILURE(serve_kinds(side));
    const std::string rule = fmt::format("ip {} rule", side.external.is_v4() ? "-4" : "-6");
    for (const char* refusal : {"prohibit", "unreachable"}) {
        SCOPED_TRACE(refusal);
        const size_t before = log().size();
        command(host("gateway"), fmt::format("{} add from {} to {} {} pref 100", rule, side.external.str(),
                                             side.first.ip.str(), refusal));
        EXPECT_TRUE(keep_passing(all_, 2));
        EXPECT_EQ(log().find("is down", before), std::string::npos) << log();
        command(host("gateway"), rule + " del pref 100");
    }
}

INSTANTIATE_TEST_SUITE_P(Every, EveryKindOfCheck, testing::ValuesIn(engine_names()));

INSTANTIATE_TEST_SUITE_P(Every, HealthVia, testing::ValuesIn(engine_names()));

}  // namespace
}  // namespace hairpin
