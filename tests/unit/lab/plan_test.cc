#include "lab/plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "unit/lab/services.h"

namespace hairpin::lab {
namespace {

constexpr Abilities proxy{.foreign_source = false, .cross_family = true};

// "path client -> server" of all rows, in order.
std::vector<std::string> rows_of(const Plan& plan) {
    std::vector<std::string> rows;
    for (const Probe& probe : plan.probes) {
        for (const Expectation& answer : probe.answers) {
            if (!answer.row) continue;
            rows.push_back(std::string(answer.path) + " " + plan.hosts[probe.client].name + " -> " +
                           plan.hosts[answer.host].name + " sees " + answer.leg.source.ip.str());
        }
    }
    return rows;
}

bool has(const std::vector<std::string>& rows, const std::string& row) { return std::ranges::count(rows, row) > 0; }

TEST(Plan, DefaultExampleIsTheSetupOfTheDocuments) {
    const Plan plan = make_plan(Ruleset(default_example()), proxy);
    EXPECT_EQ(rows_of(plan), (std::vector<std::string>{
                                 "external client -> server1 sees 1.0.0.1",
                                 "routed routed -> server1 sees 1.0.0.1",
                                 "peer server2 -> server1 sees 1.0.0.1",
                                 "self server1 -> server1 sees 1.0.0.1",
                                 "local gateway -> server1 sees 1.0.0.1",
                                 "direct server2 -> server1 sees 10.0.0.3",
                                 "external client -> server2 sees 1.0.0.1",
                                 "routed routed -> server2 sees 1.0.0.1",
                                 "peer server1 -> server2 sees 1.0.0.1",
                                 "self server2 -> server2 sees 1.0.0.1",
                                 "local gateway -> server2 sees 1.0.0.1",
                                 "direct server1 -> server2 sees 10.0.0.2",
                             }));
    EXPECT_EQ(plan.host("client")->address(Family::v4)->str(), "1.0.0.100");
    EXPECT_EQ(plan.host("server1")->address(Family::v4)->str(), "10.0.0.2");
    EXPECT_EQ(plan.host("server2")->address(Family::v4)->str(), "10.0.0.3");
    EXPECT_TRUE(plan.topology.owns(*Ip::parse("1.0.0.1")));
    EXPECT_TRUE(plan.topology.owns(*Ip::parse("10.0.0.1")));
    EXPECT_TRUE(plan.notes.empty());
}

TEST(Plan, AnEngineThatCanKeepsTheClientsAddress) {
    const auto rows = rows_of(make_plan(Ruleset(default_example())));
    EXPECT_TRUE(has(rows, "external client -> server1 sees 1.0.0.100"));
    EXPECT_TRUE(has(rows, "routed routed -> server1 sees 10.0.1.100"));
    EXPECT_TRUE(has(rows, "peer server2 -> server1 sees 1.0.0.1"));
}

TEST(Plan, EveryBackendGetsARowForEveryPath) {
    const auto rows =
        rows_of(make_plan(Ruleset({service("web", {"1.0.0.1:80"}, {"10.0.0.2:80", "10.0.0.3:80"})}), proxy));
    for (const std::string server : {"server1", "server2"}) {
        EXPECT_TRUE(has(rows, "external client -> " + server + " sees 1.0.0.1"));
        EXPECT_TRUE(has(rows, "peer peer -> " + server + " sees 1.0.0.1"));
        EXPECT_TRUE(has(rows, "self " + server + " -> " + server + " sees 1.0.0.1"));
    }
}

TEST(Plan, ABackendOnTheGatewayIsServedThere) {
    const Plan plan = make_plan(Ruleset({service("web", {"1.0.0.1:80"}, {"127.0.0.1:8080"})}), proxy);
    ASSERT_EQ(plan.gateway().servers.size(), 1u);
    EXPECT_EQ(plan.gateway().servers[0].endpoint.str(), "127.0.0.1:8080");
    EXPECT_TRUE(has(rows_of(plan), "local gateway -> gateway sees 127.0.0.1") ||
                has(rows_of(plan), "local gateway -> gateway sees 1.0.0.1"));
    EXPECT_EQ(plan.host("server1"), nullptr);
}

TEST(Plan, TheUnspecifiedAddressIsAskedAtOneMadeUpAndFromBeyondARouter) {
    const Plan plan = make_plan(Ruleset({service("web", {"0.0.0.0:80"}, {"10.0.0.2:80"})}), proxy);
    const auto rows = rows_of(plan);
    EXPECT_TRUE(has(rows, "external client -> server1 sees 198.51.100.1"));
    EXPECT_TRUE(has(rows, "routed routed -> server1 sees 198.51.100.1"));
    EXPECT_EQ(plan.topology.route_to(*Ip::parse("203.0.113.100"))->via->str(), "198.51.100.2");
}

TEST(Plan, ALoopbackEndpointIsForTheGatewayAlone) {
    const auto rows = rows_of(make_plan(Ruleset({service("web", {"127.0.0.1:80"}, {"10.0.0.2:80"})}), proxy));
    EXPECT_EQ(rows, (std::vector<std::string>{"local gateway -> server1 sees 10.0.0.1",
                                              "direct peer -> server1 sees 10.0.0.50"}));
}

TEST(Plan, WhatAnEngineCannotJoinIsAGap) {
    const Ruleset ruleset({service("web", {"1.0.0.1:80"}, {"[fd00::2]:80"})});
    const Plan plan = make_plan(ruleset, {.foreign_source = true, .cross_family = false});
    size_t gaps = 0;
    for (const Probe& probe : plan.probes) {
        for (const Expectation& answer : probe.answers) {
            EXPECT_EQ(answer.gap.empty(), answer.path == direct) << answer.path;
            gaps += !answer.gap.empty();
        }
    }
    EXPECT_EQ(gaps, 3u) << "external, routed and local";
}

TEST(Plan, OfARangeThreePortsAreAsked) {
    const Plan plan = make_plan(Ruleset({service("many", {"1.0.0.1:5000-5999"}, {"10.0.0.2:6000-6999"})}), proxy);
    std::set<uint16_t> asked;
    for (const Probe& probe : plan.probes) {
        if (probe.answers[0].path == direct) continue;
        asked.insert(probe.asked.destination.port);
        EXPECT_EQ(probe.answers[0].leg.destination.port, probe.asked.destination.port + 1000);
    }
    EXPECT_EQ(asked, (std::set<uint16_t>{5000, 5499, 5999}));
    ASSERT_EQ(plan.notes.size(), 1u);
}

TEST(Plan, AnAddressOfTheConfigurationIsNeverGivenToAnotherHost) {
    const Plan plan = make_plan(
        Ruleset({service("a", {"1.0.0.1:80", "1.0.0.100:80"}, {"10.0.0.1:80"}),
                 service("b", {"1.0.0.1:81"}, {"10.0.1.100:80"}), service("c", {"10.0.2.1:82"}, {"10.0.0.50:80"})}),
        proxy);
    std::set<Ip> seen;
    for (const HostPlan& host : plan.hosts) {
        for (const Address& own : host.addresses) EXPECT_TRUE(seen.insert(own.ip).second) << own.ip.str();
    }
    EXPECT_EQ(plan.host("server1")->addresses[0].ip.str(), "10.0.0.1");
}

TEST(Plan, TooMuchIsLeftOutWithANote) {
    std::vector<Service> services;
    for (int i = 0; i < 40; ++i) {
        const std::string listen = "1.0.0.1:" + std::to_string(1000 + i);
        const std::string backend = "10.0.0." + std::to_string(2 + i) + ":80";
        services.push_back(service("s" + std::to_string(i), {listen.c_str()}, {backend.c_str()}));
    }
    const Plan plan = make_plan(Ruleset(services), proxy, {.servers = 4, .rows = 60});
    EXPECT_EQ(plan.rows(), 60u);
    EXPECT_NE(plan.host("server4"), nullptr);
    EXPECT_EQ(plan.host("server5"), nullptr);
    EXPECT_EQ(plan.notes, (std::vector<std::string>{"40 backend addresses share 4 hosts",
                                                    "the last 30 services are left out: a lab has room for 60 rows"}));
}

TEST(Plan, AListedSenderBeginsWithAHeader) {
    Service web = service("web", {"1.0.0.1:80"}, {"10.0.0.2:80"}, Protocols::both);
    web.accept_proxy_from = {*Prefix::parse("1.0.0.0/24")};
    for (const Probe& probe : make_plan(Ruleset({web}), proxy).probes) {
        const bool listed = web.accept_proxy_from[0].contains(probe.asked.source.ip);
        EXPECT_EQ(probe.accept != ProxyHeader::none, listed) << probe.asked.source.str();
    }
}

TEST(Plan, AListedSenderThatIsNoClientYetIsPlacedBehindTheClient) {
    Service shop = service("shop", {"1.0.0.1:80", "[2001:db8:1::1]:80"}, {"10.0.0.2:80"});
    shop.accept_proxy_from = {*Prefix::parse("192.0.2.0/28"), *Prefix::parse("198.51.100.7/32"),
                              *Prefix::parse("2001:db8:2::/48")};
    const Plan plan = make_plan(Ruleset({shop}), proxy);
    std::set<std::string> senders;
    for (const Probe& probe : plan.probes) {
        if (probe.accept == ProxyHeader::none) continue;
        EXPECT_EQ(plan.hosts[probe.client].name, "client");
        EXPECT_EQ(probe.answers[0].path, name(Path::external));
        EXPECT_TRUE(probe.answers[0].row);
        senders.insert(probe.asked.source.ip.str());
    }
    EXPECT_EQ(senders, (std::set<std::string>{"192.0.2.1", "2001:db8:2::1"}));
    EXPECT_EQ(plan.topology.route_to(ip("192.0.2.1"))->via, ip("1.0.0.100"));
    EXPECT_TRUE(has(rows_of(plan), "external client -> server1 sees 1.0.0.1"));
}

TEST(Plan, WhereTheClientStandsBeyondARouterSoDoesTheSender) {
    Service shop = service("shop", {"[::]:80"}, {"[fd00::2]:80"});
    shop.accept_proxy_from = {prefix("2001:db8:51::7")};
    const Plan plan = make_plan(Ruleset({shop}), proxy);
    EXPECT_TRUE(plan.host("client")->holds(ip("2001:db8:51::7")));
    EXPECT_EQ(plan.topology.route_to(ip("2001:db8:51::7"))->via, ip("2001:db8:51::2"));
}

TEST(Plan, ASenderThatCannotBePlacedIsNoted) {
    Service shop = service("shop", {"1.0.0.1:80"}, {"10.0.0.2:80"});
    shop.accept_proxy_from = {*Prefix::parse("10.0.0.64/26")};
    EXPECT_EQ(make_plan(Ruleset({shop}), proxy).notes,
              (std::vector<std::string>{
                  "shop: not asked with a PROXY header: no client can stand at an address of accept_from"}));
}

TEST(Plan, WhatHasNoClientIsNotedOnceForAllThatHaveItInCommon) {
    const Plan plan = make_plan(
        Ruleset({service("web", {"1.0.0.1:80", "[2001:db8:1::1]:80"}, {"[fd00::2]:80", "[fd00::3]:80"}),
                 service("mail", {"1.0.0.1:25"}, {"[fd00::2]:25"}, Protocols::both),
                 service("dns", {"127.0.0.1:53"}, {"10.0.0.2:53"}), service("own", {"1.0.0.1:81"}, {"127.0.0.1:81"})}),
        proxy);
    EXPECT_EQ(plan.notes,
              (std::vector<std::string>{
                  "web at 1.0.0.1:80, mail at 1.0.0.1:25: no peer and self: no IPv4 client stands beside an IPv6 "
                  "backend",
                  "dns at 127.0.0.1:53: no external, routed, peer and self: only the gateway itself reaches a loopback "
                  "address",
                  "own to 127.0.0.1:81: no peer, self and direct: the backend runs on the gateway"}));
}

TEST(Plan, NetworksAreWideEnoughForEveryAddressOfTheConfigurationToBeAHost) {
    const Plan plan = make_plan(Ruleset({service("a", {"1.0.0.1:80"}, {"10.0.0.255:80"}),
                                         service("b", {"1.0.0.1:81"}, {"10.0.1.255:80", "10.9.8.0:80"})}),
                                proxy);
    for (const HostPlan& host : plan.hosts) {
        for (const Address& own : host.addresses) {
            EXPECT_NE(own.ip, own.network().address);
            EXPECT_NE(own.ip, own.network().with_host_of(Ip::v4(0xffffffff))) << own.network().str();
        }
    }
    EXPECT_EQ(plan.notes, (std::vector<std::string>{
                              "10.0.0.0/22 is assumed to be one network: 10.0.0.255 is no host in 10.0.0.0/24",
                              "10.9.0.0/20 is assumed to be one network: 10.9.8.0 is no host in 10.9.8.0/24"}));
}

TEST(Plan, AnAddressThatIsAHostInNoNetworkIsNoted) {
    EXPECT_EQ(make_plan(Ruleset({service("a", {"1.0.0.1:80"}, {"11.255.255.255:80"})}), proxy).notes,
              (std::vector<std::string>{"11.255.255.0/24 is assumed to be a network, though 11.255.255.255 is no host "
                                        "in 11.255.255.0/24"}));
}

TEST(Plan, OnlyThoseAreAskedAboutWhomTheServiceLetsIn) {
    Service web = service("web", {"1.0.0.1:80"}, {"10.0.0.2:80"});
    web.deny = PrefixList({prefix("1.0.0.100/32"), prefix("10.0.0.2/32")});
    const Plan plan = make_plan(Ruleset({web}), proxy);
    EXPECT_EQ(rows_of(plan), (std::vector<std::string>{
                                 "routed routed -> server1 sees 1.0.0.1",
                                 "peer peer -> server1 sees 1.0.0.1",
                                 "local gateway -> server1 sees 1.0.0.1",
                                 "direct peer -> server1 sees 10.0.0.50",
                             }));
    EXPECT_EQ(plan.notes, (std::vector<std::string>{"web: not asked by the clients that allow and deny keep out"}));
}

TEST(Plan, SaysThatLimitsHoldInALab) {
    Service web = service("web", {"1.0.0.1:80"}, {"10.0.0.2:80"});
    web.limits[Limit::new_per_second_per_client] = 1;
    EXPECT_EQ(make_plan(Ruleset({web}), proxy).notes,
              (std::vector<std::string>{"web: limits hold in a lab, too: where they are narrow, questions are refused, "
                                        "and rows fail"}));
}

TEST(Plan, WhereNoClientIsAllowedOneOfThoseIsPlacedBehindTheClient) {
    Service web = service("web", {"1.0.0.1:80"}, {"10.0.0.2:80"});
    web.allow = PrefixList({prefix("203.0.113.0/29"), prefix("10.0.0.2/32")});
    web.deny = PrefixList({prefix("203.0.113.0/30")});
    const auto rows = rows_of(make_plan(Ruleset({web}), proxy));
    EXPECT_EQ(rows, (std::vector<std::string>{
                        "external client -> server1 sees 1.0.0.1",
                        "self server1 -> server1 sees 1.0.0.1",
                        "direct peer -> server1 sees 10.0.0.50",
                    }));
    EXPECT_TRUE(make_plan(Ruleset({web}), proxy).host("client")->holds(ip("203.0.113.4")));
}

// By the vectors of balance_test.cc: 10.0.0.2 gets the first of two backends, 1.0.0.100 the second.
TEST(Plan, WithSourceHashAClientIsAnsweredByOneBackend) {
    Service web = service("web", {"1.0.0.1:80"}, {"10.0.0.2:80", "10.0.0.3:80"});
    web.balance = Balance::source_hash;
    const Plan plan = make_plan(Ruleset({web}), proxy);
    for (const Probe& probe : plan.probes) {
        EXPECT_EQ(std::ranges::count(probe.answers, true, &Expectation::row), 1);
    }
    const auto rows = rows_of(plan);
    EXPECT_TRUE(has(rows, "self server1 -> server1 sees 1.0.0.1"));
    EXPECT_TRUE(has(rows, "external client -> server2 sees 1.0.0.1"));
    EXPECT_FALSE(has(rows, "external client -> server1 sees 1.0.0.1"));
    EXPECT_TRUE(std::ranges::any_of(plan.notes, [](const std::string& note) { return note.starts_with("web: not "); }));
}

TEST(Plan, ABackendIsNotExpectedToReachWhomSelfKeepsItFrom) {
    Service web = service("web", {"1.0.0.1:80"}, {"10.0.0.2:80", "10.0.0.3:80"});
    web.self = SelfPolicy::avoid;
    const auto avoiding = rows_of(make_plan(Ruleset({web}), proxy));
    EXPECT_FALSE(has(avoiding, "self server1 -> server1 sees 1.0.0.1"));
    EXPECT_TRUE(has(avoiding, "external client -> server1 sees 1.0.0.1"));
    web.backends.pop_back();
    EXPECT_TRUE(has(rows_of(make_plan(Ruleset({web}), proxy)), "self server1 -> server1 sees 1.0.0.1"));
    web.self = SelfPolicy::deny;
    EXPECT_FALSE(has(rows_of(make_plan(Ruleset({web}), proxy)), "self server1 -> server1 sees 1.0.0.1"));
}

TEST(Plan, ABackendWithoutWeightIsNotAsked) {
    Service web = service("web", {"1.0.0.1:80"}, {"10.0.0.2:80", "10.0.0.3:80", "10.0.0.4:80"});
    web.backends[0].weight = 0;
    web.backends[1].weight = 5;
    const Plan plan = make_plan(Ruleset({web}), proxy);
    const auto rows = rows_of(plan);
    EXPECT_FALSE(has(rows, "external client -> server1 sees 1.0.0.1"));
    EXPECT_TRUE(has(rows, "external client -> server2 sees 1.0.0.1"));
    EXPECT_TRUE(has(rows, "external client -> server3 sees 1.0.0.1"));
    EXPECT_TRUE(std::ranges::all_of(plan.probes,
                                    [](const Probe& probe) { return probe.answers.size() == 1 || probe.turns == 6; }));
}

}  // namespace
}  // namespace hairpin::lab
