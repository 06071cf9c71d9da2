// Backends whose answers to clients bypass the gateway: a check that asks as clients outside do finds and names them,
// whichever engine carries these.
//
//                                              ╭── server1 10.0.0.2, fd00::2   its default route leads elsewhere
//   client ── 1.0.0.1, 2001:db8::1  gateway ───┼── server2 10.0.0.3, fd00::3
//   1.0.0.100                                  ╰── peer 10.0.0.50              which passes nothing on
#include <unistd.h>

#include <algorithm>
#include <map>

#include "net/socket.h"
#include "scenario/health_via.h"

namespace hairpin {
namespace {

using nlohmann::json;

std::vector<Checked> first_backends() {
    std::vector<Checked> firsts;
    for (const Side& side : sides()) firsts.emplace_back(side.name, side.first);
    return firsts;
}

std::string yaml(std::string_view via, std::string_view source = "auto") {
    return fmt::format(R"(
defaults: {{source: {}, health: {{port: 2999, {}, via: {}}}}}
services:
  v4: {{listen: "1.0.0.1:1044", backends: ["10.0.0.2:2044", "10.0.0.3:2044"]}}
  v6: {{listen: "[2001:db8::1]:1066", backends: ["[fd00::2]:2066", "[fd00::3]:2066"]}}
)",
                       source, times, via);
}

class HealthVia : public ChecksVia {
protected:
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
        EXPECT_TRUE(lab_->logs(
            fmt::format("service {}: backend {} is down: {}", side.name, side.first.str(), complaint(side))));
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

TEST_P(HealthVia, ThatChecksProveLessIsShownUntilTheyComeAsClientsDoAgain) {
    ASSERT_NO_FATAL_FAILURE(serve_sides(yaml("endpoint")));
    for (const Side& side : sides()) {
        for (const Endpoint& one : {side.first, side.second}) ASSERT_TRUE(becomes(side.name, one, "up"));
    }
    // Without that address the service itself is not served by the proxy's sockets, which says more than its checks.
    const std::string line = std::string("\n  service v4: ") +
                             (keeps_clients() ? "health.via: endpoint: none of its IPv4 addresses" : "nobody reaches");
    const std::string_view kind = keeps_clients() ? "checks" : "endpoint";
    const auto is_shown = [&] { return ask({"status"}).output.find(line) != std::string::npos; };
    const auto is_listed = [&] {
        const json problems = json::parse(ask({"status", "--json"}).output).at("problems");
        return std::ranges::any_of(problems, [&](const json& problem) { return problem.at("kind") == kind; });
    };
    EXPECT_EQ(ask({"status"}).status, 0) << ask({"status"}).output;
    command(host("gateway"), "ip address del 1.0.0.1/24 dev ext");
    EXPECT_TRUE(wait_for(is_shown)) << ask({"status"}).output << log();
    EXPECT_TRUE(is_listed());
    EXPECT_EQ(ask({"status"}).status, 1);

    for (const char* order : {"disable", "enable"}) {
        SCOPED_TRACE(order);
        for (const char* backend : {"10.0.0.2:2044", "10.0.0.3:2044"}) {
            EXPECT_EQ(ask({order, backend, "--service", "v4"}).status, 0);
        }
        EXPECT_TRUE(is_shown()) << "an order gives the gateway no address";
    }
    EXPECT_EQ(events().find("checks_restored"), std::string::npos) << events();

    command(host("gateway"), "ip address add 1.0.0.1/24 dev ext");
    EXPECT_TRUE(wait_for([&] { return !is_shown(); })) << ask({"status"}).output << log();
    EXPECT_FALSE(is_listed());
    EXPECT_EQ(events().find("checks_restored") != std::string::npos, keeps_clients()) << events();
}

INSTANTIATE_TEST_SUITE_P(Every, HealthVia, testing::ValuesIn(engine_names()));

}  // namespace
}  // namespace hairpin
