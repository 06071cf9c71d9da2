// Every case of the decision against a table written from its specification, and what must hold for any ruleset.
#include "model/translate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "model/validate.h"
#include "unit/model/values.h"

namespace hairpin {
namespace {

// --- The specification, as data. -------------------------------------------------------------------------------------

using enum SourcePolicy;
constexpr auto all_policies = std::to_array({automatic, external, gateway, map, keep});

// What each policy wants for each path, in the order of Path: external, routed, peer, self, local.
constexpr SourcePolicy wanted[5][5] = {
    /* auto     */ {keep, keep, external, external, external},
    /* external */ {external, external, external, external, external},
    /* gateway  */ {gateway, gateway, gateway, gateway, gateway},
    /* map      */ {keep, keep, map, map, external},
    /* keep     */ {keep, keep, keep, keep, keep},
};

// How the client asked.
enum class Asked { own, any, foreign, loopback, link_local };
constexpr auto all_asked = std::to_array({Asked::own, Asked::any, Asked::foreign, Asked::loopback, Asked::link_local});

struct Situation {
    Path path;
    SourcePolicy policy;
    Family client;
    Family backend;
    Abilities abilities;
    Asked asked;
    bool ranges;
    bool mapped;  // a prefix is given for the client's family
};

struct Expected {
    SourcePolicy source;
    std::string address;
    bool any_port;
};

std::optional<Expected> expected(const Situation& s, const std::string& client, const std::string& asked) {
    const bool crosses = s.client != s.backend;
    if (crosses && !s.abilities.cross_family) return std::nullopt;
    SourcePolicy source = wanted[static_cast<size_t>(s.policy)][static_cast<size_t>(s.path)];

    const bool loopback_client = s.asked == Asked::loopback;  // such a client calls from the loopback address as well
    const bool cannot_keep = crosses || !s.abilities.foreign_source || loopback_client;
    const bool cannot_map = crosses || !s.abilities.foreign_source || !s.mapped;
    if ((source == keep && cannot_keep) || (source == map && cannot_map)) source = external;

    const bool cannot_answer = crosses || s.asked == Asked::loopback || s.asked == Asked::link_local;
    const bool cannot_send = s.asked == Asked::foreign && !s.abilities.foreign_source;
    if (source == external && (cannot_answer || cannot_send)) source = gateway;

    switch (source) {
        case external:
            return Expected{external, asked, true};
        case gateway:
            return Expected{gateway, s.backend == Family::v4 ? "10.0.0.1" : "fd00::1", true};
        case map: {
            const size_t host = client.find_last_of(".:") + 1;
            return Expected{map, (s.client == Family::v4 ? "10.99.0." : "fd99::") + client.substr(host), false};
        }
        default:
            return Expected{keep, client, false};
    }
}

// --- The cases. ------------------------------------------------------------------------------------------------------

// A client's address by family and path; empty where no client of that family can take the path to the backend.
std::string client_of(const Situation& s) {
    const bool v4 = s.client == Family::v4;
    const bool crosses = s.client != s.backend;
    switch (s.path) {
        case Path::external:
            return v4 ? "1.0.0.100" : "2001:db8::64";
        case Path::routed:
            return v4 ? "10.0.1.7" : "fd00:1::7";
        case Path::peer:
            return crosses ? "" : v4 ? "10.0.0.3" : "fd00::3";
        case Path::self:
            return crosses ? "" : v4 ? "10.0.0.2" : "fd00::2";
        case Path::local:
            if (s.asked == Asked::loopback) return v4 ? "127.0.0.1" : "::1";
            return v4 ? "1.0.0.1" : "2001:db8::1";
    }
    return "";
}

std::string asked_of(const Situation& s) {
    const bool v4 = s.client == Family::v4;
    switch (s.asked) {
        case Asked::own:
        case Asked::any:
            return v4 ? "1.0.0.1" : "2001:db8::1";
        case Asked::foreign:
            return v4 ? "1.0.0.77" : "2001:db8::77";
        case Asked::loopback:
            return v4 ? "127.0.0.1" : "::1";
        case Asked::link_local:
            return v4 ? "169.254.0.1" : "fe80::e";
    }
    return "";
}

Service service_of(const Situation& s, const Ip& asked) {
    Service made;
    made.name = "s";
    made.protocols = Protocols::both;
    const bool all = s.asked == Asked::any || s.asked == Asked::link_local;
    made.listen = {{all ? Ip::any(s.client) : asked, s.ranges ? PortRange{5000, 5099} : PortRange{5000, 5000}}};
    const Ip other = ip(s.backend == Family::v4 ? "10.0.0.9" : "fd00::9");
    const Ip backend = ip(s.backend == Family::v4 ? "10.0.0.2" : "fd00::2");
    const PortRange ports = s.ranges ? PortRange{8000, 8099} : PortRange{8000, 8000};
    made.backends = {{{other, ports}}, {{backend, ports}}};
    made.source = s.policy;
    made.source_map = {prefix((s.client == Family::v4) == s.mapped ? "10.99.0.0/24" : "fd99::/64")};
    return made;
}

std::string describe(const Situation& s) {
    return std::string(name(s.path)) + " " + std::string(name(s.policy)) + " " + std::string(name(s.client)) + "->" +
           std::string(name(s.backend)) + " foreign_source=" + std::to_string(s.abilities.foreign_source) +
           " cross_family=" + std::to_string(s.abilities.cross_family) +
           " asked=" + std::to_string(static_cast<int>(s.asked)) + " ranges=" + std::to_string(s.ranges) +
           " mapped=" + std::to_string(s.mapped);
}

void check(const Situation& s, const Topology& topology, int& checked) {
    const std::string client = client_of(s);
    if (client.empty()) return;
    if (s.asked == Asked::loopback && s.path != Path::local) return;  // nobody else can ask there
    SCOPED_TRACE(describe(s));
    const std::string asked = asked_of(s);
    std::vector<Service> services;
    services.push_back(service_of(s, ip(asked)));
    ASSERT_TRUE(validate(services).empty()) << validate(services)[0].message;
    const Ruleset ruleset(std::move(services));
    for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
        const uint16_t offset = s.ranges ? 42 : 0;
        const Leg leg{protocol, {ip(client), 40000}, {ip(asked), static_cast<uint16_t>(5000 + offset)}};
        const auto flow = translate(ruleset, topology, leg, {1}, s.abilities);
        const auto want = expected(s, client, asked);
        ASSERT_EQ(flow.has_value(), want.has_value());
        ++checked;
        if (!flow) continue;
        EXPECT_EQ(name(flow->path), name(s.path));
        EXPECT_EQ(name(flow->source), name(want->source));
        EXPECT_EQ(flow->backend.source.ip.str(), want->address);
        EXPECT_EQ(flow->backend.source.port, want->any_port ? 0 : 40000);
        EXPECT_EQ(flow->backend.protocol, protocol);
        EXPECT_EQ(flow->backend.destination.ip, ip(s.backend == Family::v4 ? "10.0.0.2" : "fd00::2"));
        EXPECT_EQ(flow->backend.destination.port, 8000 + offset);
        EXPECT_EQ(flow->client, leg);
        EXPECT_EQ(flow->service, &ruleset.services()[0]);
        EXPECT_FALSE(flow->reason.empty());
    }
}

TEST(Translate, DecidesEveryCaseAsSpecified) {
    const Topology topology = two_legged().link("auto").address("169.254.0.1/16").topology();
    int checked = 0;
    for (const Path path : all_paths)
        for (const SourcePolicy policy : all_policies)
            for (const Family client : {Family::v4, Family::v6})
                for (const Family backend : {Family::v4, Family::v6})
                    for (const bool foreign : {false, true})
                        for (const bool cross : {false, true})
                            for (const Asked asked : all_asked)
                                for (const bool ranges : {false, true})
                                    for (const bool mapped : {false, true}) {
                                        check({path, policy, client, backend, {foreign, cross}, asked, ranges, mapped},
                                              topology, checked);
                                        if (HasFailure()) return;
                                    }
    EXPECT_GT(checked, 5'000);
}

// --- The setup that the project was made for. ------------------------------------------------------------------------

struct Example {
    Ruleset ruleset{[] {
        std::vector<Service> services;
        services.push_back(service("srv1", {"1.0.0.1:5432"}, {"10.0.0.2:54321"}));
        services.push_back(service("srv2", {"1.0.0.1:1234"}, {"10.0.0.3:12345"}));
        return services;
    }()};
    Topology topology = two_legged().topology();

    std::string flow(std::string_view client, std::string_view asked, Choice choice = {},
                     Abilities abilities = {}) const {
        const auto f =
            translate(ruleset, topology, {Protocol::tcp, endpoint(client), endpoint(asked)}, choice, abilities);
        if (!f) return "";
        return f->backend.source.ip.str() + ":" + std::to_string(f->backend.source.port) + " -> " +
               f->backend.destination.str();
    }
};

TEST(Translate, ServesTheDefaultExample) {
    const Example e;
    EXPECT_EQ(e.flow("1.0.0.100:40000", "1.0.0.1:5432"), "1.0.0.100:40000 -> 10.0.0.2:54321");
    EXPECT_EQ(e.flow("10.0.0.2:40000", "1.0.0.1:1234"), "1.0.0.1:0 -> 10.0.0.3:12345");
    EXPECT_EQ(e.flow("10.0.0.3:40000", "1.0.0.1:1234"), "1.0.0.1:0 -> 10.0.0.3:12345");
    EXPECT_EQ(e.flow("1.0.0.1:40000", "1.0.0.1:1234"), "1.0.0.1:0 -> 10.0.0.3:12345");
    EXPECT_EQ(e.flow("10.0.0.2:40000", "10.0.0.3:12345"), "");  // straight to it: untouched
    EXPECT_EQ(e.flow("1.0.0.100:40000", "1.0.0.1:5433"), "");
    EXPECT_EQ(e.flow("1.0.0.100:40000", "1.0.0.2:5432"), "");
}

TEST(Translate, GivesNothingForAChoiceThatDoesNotExist) {
    const Example e;
    EXPECT_EQ(e.flow("1.0.0.100:40000", "1.0.0.1:5432", {1}), "");
    EXPECT_EQ(e.flow("1.0.0.100:40000", "1.0.0.1:5432", {SIZE_MAX}), "");
}

TEST(Translate, GivesNothingForTheProtocolThatIsNotServed) {
    const Example e;
    EXPECT_FALSE(
        translate(e.ruleset, e.topology, {Protocol::udp, endpoint("1.0.0.100:1"), endpoint("1.0.0.1:5432")}, {}));
}

TEST(Translate, ServesAWildcardOnlyAtTheGatewaysOwnAddresses) {
    std::vector<Service> services;
    services.push_back(service("s", {"0.0.0.0:80"}, {"10.0.0.2:8080"}));
    const Ruleset ruleset(std::move(services));
    const Topology topology = two_legged().topology();
    const auto served = [&](std::string_view asked) {
        return translate(ruleset, topology, {Protocol::tcp, endpoint("1.0.0.100:1"), endpoint(asked)}, {}).has_value();
    };
    EXPECT_TRUE(served("1.0.0.1:80"));
    EXPECT_TRUE(served("10.0.1.1:80"));
    EXPECT_FALSE(served("9.9.9.9:80"));  // forwarded traffic is none of ours
    EXPECT_FALSE(served("10.0.0.2:80"));
    EXPECT_FALSE(served("0.0.0.0:80"));
}

TEST(Translate, CallsALocalBackendFromTheExternalAddress) {
    std::vector<Service> services;
    services.push_back(service("s", {"127.0.0.1:80", "1.0.0.1:80"}, {"127.0.0.1:8080"}));
    services[0].source = external;
    const Ruleset ruleset(std::move(services));
    const Topology topology = two_legged().topology();
    const auto source = [&](std::string_view client, std::string_view asked) {
        return translate(ruleset, topology, {Protocol::tcp, endpoint(client), endpoint(asked)}, {})
            ->backend.source.ip.str();
    };
    EXPECT_EQ(source("127.0.0.1:1", "127.0.0.1:80"), "127.0.0.1");
    EXPECT_EQ(source("1.0.0.100:1", "1.0.0.1:80"), "1.0.0.1");
}

TEST(Translate, KeepsNoLinkLocalClient) {
    std::vector<Service> services;
    services.push_back(service("s", {"[::]:80"}, {"[fd00::2]:8080"}));
    services[0].source = keep;
    const Ruleset ruleset(std::move(services));
    const Topology topology = two_legged().topology();
    const auto source = [&](std::string_view client, std::string_view asked) {
        return translate(ruleset, topology, {Protocol::tcp, endpoint(client), endpoint(asked)}, {})->backend.source.ip;
    };
    EXPECT_EQ(source("[fe80::64]:1", "[2001:db8::1]:80"), ip("2001:db8::1"));
    EXPECT_EQ(source("[fe80::64]:1", "[fe80::e]:80"), ip("fd00::1"));
}

TEST(Translate, LeavesTheSourceToTheRouteWhereTheGatewayHasNoAddressThatFacesTheBackend) {
    std::vector<Service> services;
    services.push_back(service("s", {"1.0.0.1:80"}, {"10.8.0.2:80", "[fd08::2]:80"}));
    services[0].source = gateway;
    const Ruleset ruleset(std::move(services));
    GatewayNetwork unnumbered = two_legged();
    unnumbered.link("tun").route("10.8.0.0/24").route("fd08::/64");
    const Leg leg{Protocol::tcp, endpoint("1.0.0.100:1"), endpoint("1.0.0.1:80")};
    EXPECT_EQ(translate(ruleset, unnumbered.topology(), leg, {0})->backend.source, (Endpoint{ip("0.0.0.0"), 0}));
    EXPECT_EQ(translate(ruleset, unnumbered.topology(), leg, {1})->backend.source, (Endpoint{ip("::"), 0}));
}

// --- Properties of any ruleset. --------------------------------------------------------------------------------------

class Random {
public:
    explicit Random(uint32_t seed) : engine_(seed) {}

    size_t below(size_t n) { return engine_() % n; }
    Ip address() {
        static const std::vector<Ip> pool = [] {
            std::vector<Ip> ips;
            for (const auto text : {"1.0.0.1",  "1.0.0.77",    "1.0.0.100",    "10.0.0.1",  "10.0.0.2",
                                    "10.0.0.3", "10.0.1.1",    "10.0.1.7",     "127.0.0.1", "8.8.8.8",
                                    "0.0.0.0",  "2001:db8::1", "2001:db8::64", "fd00::1",   "fd00::2",
                                    "fd00::3",  "fd00:1::7",   "::1",          "2600::1",   "::"}) {
                ips.push_back(ip(text));
            }
            return ips;
        }();
        return pool[below(pool.size())];
    }
    uint16_t port() { return static_cast<uint16_t>(1 + below(12)); }
    PortRange ports(size_t count) {
        const auto first = port();
        return {first, static_cast<uint16_t>(first + count - 1)};
    }
    Service a_service(size_t number) {
        Service s;
        s.name = std::to_string(number);
        s.protocols = static_cast<Protocols>(below(3));
        s.source = static_cast<SourcePolicy>(below(5));
        if (below(2)) s.source_map.push_back(prefix("10.99.0.0/16"));
        if (below(2) || s.source_map.empty()) s.source_map.push_back(prefix("fd99::/32"));
        const size_t count = 1 + below(3);
        for (size_t i = 0; i <= below(3); ++i) s.listen.push_back({address(), ports(count)});
        for (size_t i = 0; i <= below(3); ++i) s.backends.push_back({{address(), ports(count)}});
        return s;
    }
    // Services with no problem: one that adds any is left out.
    std::vector<Service> services() {
        std::vector<Service> good;
        for (size_t i = 0; i < 8; ++i) {
            good.push_back(a_service(i));
            if (!validate(good).empty()) good.pop_back();
        }
        return good;
    }

private:
    std::mt19937 engine_;
};

void check_flow(const Flow& flow, const Leg& leg, const Topology& topology, Choice choice, Abilities abilities) {
    const Service& s = *flow.service;
    const EndpointRange& backend = s.backends[choice.backend].endpoint;
    const bool listens = std::ranges::any_of(s.listen, [&](const EndpointRange& l) {
        const bool here = l.ip == leg.destination.ip ||
                          (l.ip == Ip::any(leg.destination.ip.family()) && topology.owns(leg.destination.ip));
        return here && l.ports.contains(leg.destination.port) &&
               flow.backend.destination.port - backend.ports.first == leg.destination.port - l.ports.first;
    });
    EXPECT_TRUE(listens);
    EXPECT_TRUE(includes(s.protocols, leg.protocol));
    EXPECT_EQ(flow.client, leg);
    EXPECT_EQ(flow.backend.protocol, leg.protocol);
    EXPECT_TRUE(backend.contains(flow.backend.destination));
    const Endpoint& source = flow.backend.source;
    EXPECT_EQ(source.ip.family(), flow.backend.destination.ip.family());
    EXPECT_NE(flow.source, automatic);
    EXPECT_EQ(source.port, flow.source == keep || flow.source == map ? leg.source.port : 0);
    if (!abilities.foreign_source) {
        EXPECT_TRUE(topology.owns(source.ip) || source.ip.is_unspecified());
    }
    if (!abilities.cross_family) {
        EXPECT_EQ(leg.source.ip.family(), source.ip.family());
    }
    // A packet with a loopback source never leaves the gateway.
    if (source.ip.is_loopback()) {
        EXPECT_TRUE(topology.owns(flow.backend.destination.ip));
    }
    if (flow.source == keep) {
        EXPECT_EQ(source, leg.source);
    }
    if (flow.source == external) {
        EXPECT_EQ(source.ip, leg.destination.ip);
    }
    EXPECT_FALSE(flow.reason.empty());
}

TEST(Translate, HoldsItsPromisesForAnyRuleset) {
    Random random(7);
    const Topology topology = two_legged().topology();
    size_t flows = 0;
    for (int round = 0; round < 400; ++round) {
        const Ruleset ruleset(random.services());
        for (int i = 0; i < 200; ++i) {
            Leg leg{random.below(2) ? Protocol::tcp : Protocol::udp,
                    {random.address(), static_cast<uint16_t>(40000 + random.below(9))},
                    {random.address(), random.port()}};
            if (random.below(4) && !ruleset.services().empty()) {  // mostly, somebody listens there
                const auto& listen = ruleset.services()[random.below(ruleset.services().size())].listen;
                const EndpointRange& range = listen[random.below(listen.size())];
                if (!range.ip.is_unspecified()) leg.destination.ip = range.ip;
                leg.destination.port = range.ports.last;
            }
            if (leg.source.ip.family() != leg.destination.ip.family()) continue;
            const Choice choice{random.below(4)};
            const Abilities abilities{random.below(2) == 0, random.below(2) == 0};
            const auto flow = translate(ruleset, topology, leg, choice, abilities);
            const auto again = translate(ruleset, topology, leg, choice, abilities);
            ASSERT_EQ(flow.has_value(), again.has_value());
            if (!flow) continue;
            ++flows;
            ASSERT_EQ(flow->backend, again->backend);
            ASSERT_EQ(flow->source, again->source);
            check_flow(*flow, leg, topology, choice, abilities);
            if (HasFailure()) FAIL() << leg.source.str() << " -> " << leg.destination.str();
        }
    }
    EXPECT_GT(flows, 5'000u);
}

// The vectors of balance_test.cc: 1.0.0.100 has the second of two backends and of three, 10.0.0.2 the first.
TEST(ChooseBySource, IsAmongTheBackendsThatTheEngineReaches) {
    Service hashed = service("s", {"1.0.0.1:80"}, {"[fd00::2]:80", "10.0.0.2:80", "10.0.0.3:80"});
    hashed.balance = Balance::source_hash;
    Service in_turn = hashed;
    in_turn.name = "t";
    in_turn.listen = {range("1.0.0.1:81")};
    in_turn.balance = Balance::round_robin;
    const Ruleset ruleset({hashed, in_turn});
    const Topology topology = two_legged().topology();
    const auto chosen = [&](std::string_view client, std::string_view asked, Abilities abilities) {
        const auto choice = choose_by_source(ruleset, topology,
                                             {Protocol::tcp, {ip(client), 40000}, *Endpoint::parse(asked)}, abilities);
        return choice ? static_cast<int>(choice->backend) : -1;
    };
    const Abilities every{.foreign_source = true, .cross_family = true};
    const Abilities one_family{.foreign_source = true, .cross_family = false};
    EXPECT_EQ(chosen("1.0.0.100", "1.0.0.1:80", every), 1);
    EXPECT_EQ(chosen("10.0.0.2", "1.0.0.1:80", every), 0);
    EXPECT_EQ(chosen("1.0.0.100", "1.0.0.1:80", one_family), 2);
    EXPECT_EQ(chosen("10.0.0.2", "1.0.0.1:80", one_family), 1);
    EXPECT_EQ(chosen("1.0.0.100", "1.0.0.1:81", every), -1) << "they take turns";
    EXPECT_EQ(chosen("1.0.0.100", "1.0.0.1:82", every), -1) << "nobody listens";
}

TEST(SlotsFor, NameTheBackendsThatTheEngineReachesByTheirWeights) {
    Service weighed = service("s", {"1.0.0.1:80"}, {"[fd00::2]:80", "10.0.0.2:80", "10.0.0.3:80", "10.0.0.4:80"});
    weighed.backends[1].weight = 2;
    weighed.backends[3].weight = 0;
    const Ruleset ruleset({weighed});
    const Topology topology = two_legged().topology();
    const auto slots = [&](std::string_view asked, bool cross_family) {
        return slots_for(ruleset, topology, {Protocol::tcp, endpoint("1.0.0.100:40000"), endpoint(asked)},
                         {.cross_family = cross_family});
    };
    EXPECT_EQ(slots("1.0.0.1:80", true), (Slots{1, 0, 2, 1}));
    EXPECT_EQ(slots("1.0.0.1:80", false), (Slots{1, 2, 1}));
    EXPECT_EQ(slots("1.0.0.1:81", true), Slots{}) << "nobody listens";
}

// What validate() lets pass, Ruleset indexes: every port that a service lists is found, and is that service's.
TEST(Ruleset, FindsEveryEndpointOfAnyValidRuleset) {
    Random random(8);
    for (int round = 0; round < 300; ++round) {
        const Ruleset ruleset(random.services());
        for (const Service& s : ruleset.services()) {
            for (const EndpointRange& listen : s.listen) {
                for (int port = listen.ports.first; port <= listen.ports.last; ++port) {
                    for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
                        if (!includes(s.protocols, protocol)) continue;
                        const auto match = ruleset.find(protocol, {listen.ip, static_cast<uint16_t>(port)});
                        ASSERT_TRUE(match);
                        ASSERT_EQ(match->service, &s);
                        ASSERT_EQ(match->listen, &listen);
                    }
                }
            }
        }
    }
}

}  // namespace
}  // namespace hairpin
