// What the kernel's half is told of services and of the network around the gateway.
#include "engines/bpf/compile.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "engines/bpf/convert.h"
#include "unit/model/values.h"

namespace hairpin::bpf {
namespace {

constexpr PortRange ports{40000, 49999};

Tables compiled(Compiler& compiler, std::vector<Service> services, const Topology& topology = two_legged().topology()) {
    const Desired desired{Ruleset(std::move(services)), topology};
    return compiler.compile(desired, ports, [&](const Service& service) {
        return static_cast<uint32_t>(&service - desired.ruleset.services().data());
    });
}

// As the kernel does: the longest prefix of a network that holds the address.
bool lies_in(const Tables& tables, uint32_t number, std::string_view address) {
    return std::ranges::any_of(tables.networks, [&](const auto& entry) {
        const hp_network& network = entry.first;
        const int length = static_cast<int>(network.length) - 32;
        const Ip base = from_wire(network.address);
        const int bits = base.is_v4() ? length - 96 : length;
        return network.network == number && base.family() == ip(address).family() &&
               Prefix::of(base, bits).contains(ip(address));
    });
}

TEST(BpfConvert, AnAddressIsItselfThereAndBack) {
    for (const auto* text : {"10.0.0.2", "fd00::2", "0.0.0.0", "::"}) EXPECT_EQ(from_wire(to_wire(ip(text))), ip(text));
    EXPECT_EQ(to_wire(ip("10.0.0.2")).word[3], htonl(0x0A000002));
    EXPECT_EQ(to_wire(ip("10.0.0.2")).word[2], htonl(0xFFFF));
}

TEST(BpfCompiler, ARangeIsAnEndpointForEachPortOfEachProtocol) {
    Compiler compiler(0);
    const Tables tables =
        compiled(compiler, {service("range", {"1.0.0.1:5000-5009"}, {"10.0.0.2:7000-7009"}, Protocols::both)});
    EXPECT_EQ(tables.endpoints.size(), 20u);
    const auto asked = tables.endpoints.find(asked_endpoint(Protocol::udp, endpoint("1.0.0.1:5003")));
    ASSERT_NE(asked, tables.endpoints.end());
    EXPECT_EQ(asked->second.offset, 3);
    EXPECT_EQ(tables.backends.at(asked->second.share.first_backend).first_port, 7000);
    EXPECT_EQ(tables.backends.size(), 1u) << "one for all ports";
}

TEST(BpfCompiler, AnUnspecifiedAddressIsEachOfTheGatewaysOwnThatPacketsAreRoutedTo) {
    Compiler compiler(0);
    const Tables tables = compiled(compiler, {service("all", {"0.0.0.0:80"}, {"10.0.0.2:80"})});
    std::vector<std::string> asked;
    for (const auto& [key, value] : tables.endpoints) asked.push_back(from_wire(key.address).str());
    std::ranges::sort(asked);
    EXPECT_EQ(asked, (std::vector<std::string>{"1.0.0.1", "10.0.0.1", "10.0.1.1"}));
}

TEST(BpfCompiler, BackendsOfAnotherFamilyAreLeftOut) {
    Compiler compiler(0);
    const Tables tables = compiled(compiler, {service("mixed", {"1.0.0.1:80"}, {"10.0.0.2:80", "[fd00::2]:80"}),
                                              service("other", {"1.0.0.1:81"}, {"[fd00::2]:80"})});
    EXPECT_EQ(tables.endpoints.at(asked_endpoint(Protocol::tcp, endpoint("1.0.0.1:80"))).share.choices, 1u);
    EXPECT_EQ(tables.endpoints.at(asked_endpoint(Protocol::tcp, endpoint("1.0.0.1:81"))).share.choices, 0u)
        << "its clients are refused";
}

// By slot, the backend, told apart by its port.
std::vector<int> ports_of_choices(const Tables& tables, std::string_view asked) {
    const hp_endpoint& there = tables.endpoints.at(asked_endpoint(Protocol::tcp, endpoint(asked)));
    std::vector<int> chosen;
    for (uint32_t slot = 0; slot < there.share.choices; ++slot) {
        const hp_choices& some = tables.choices.at(there.share.first_choices + slot / HP_CHOICES);
        chosen.push_back(tables.backends.at(there.share.first_backend + some.backend[slot % HP_CHOICES]).first_port);
    }
    return chosen;
}

TEST(BpfCompiler, EveryBalanceIsARowOfChoices) {
    Service weighed = service("weighed", {"1.0.0.1:80"}, {"10.0.0.2:1", "10.0.0.2:2", "10.0.0.2:3"});
    weighed.backends[1].weight = 2;
    weighed.backends[2].weight = 0;
    Service maglev = weighed;
    maglev.name = "maglev";
    maglev.listen = {range("1.0.0.1:81")};
    maglev.balance = Balance::maglev;
    Compiler compiler(0);
    const Tables tables = compiled(compiler, {weighed, maglev});
    EXPECT_EQ(ports_of_choices(tables, "1.0.0.1:80"), (std::vector<int>{2, 1, 2}));
    const auto chosen = ports_of_choices(tables, "1.0.0.1:81");
    EXPECT_EQ(chosen.size(), 4099u);
    EXPECT_NEAR(static_cast<double>(std::ranges::count(chosen, 2)), 2 * 4099.0 / 3, 2);
    EXPECT_EQ(std::ranges::count(chosen, 3), 0);
}

TEST(BpfCompiler, EqualChoicesAreThereOnceAndASingleOneNeedsNone) {
    Compiler compiler(0);
    Service drained = service("drained", {"1.0.0.1:82"}, {"10.0.0.6:80", "10.0.0.7:80"});
    drained.backends[0].weight = 0;
    const Tables tables = compiled(compiler, {service("a", {"1.0.0.1:80"}, {"10.0.0.2:80", "10.0.0.3:80"}),
                                              service("b", {"1.0.0.1:81"}, {"10.0.0.4:80", "10.0.0.5:80"}), drained});
    EXPECT_EQ(tables.choices.size(), 1u);
    const hp_endpoint& alone = tables.endpoints.at(asked_endpoint(Protocol::tcp, endpoint("1.0.0.1:82")));
    EXPECT_EQ(alone.share.choices, 1u);
    EXPECT_EQ(from_wire(tables.backends.at(alone.share.first_backend).address).str(), "10.0.0.7");
}

TEST(BpfCompiler, AServiceWhoseBackendsAreAllDownHasAnEndpointWithoutAny) {
    Compiler compiler(0);
    const Tables tables = compiled(compiler, {service("down", {"1.0.0.1:80"}, {})});
    const auto asked = tables.endpoints.find(asked_endpoint(Protocol::tcp, endpoint("1.0.0.1:80")));
    ASSERT_NE(asked, tables.endpoints.end());
    EXPECT_EQ(asked->second.share.choices, 0u);
    EXPECT_TRUE(tables.backends.empty());
}

TEST(BpfCompiler, LinksThatItsTableHasNoPlaceForAreLeftOut) {
    Compiler compiler(0);
    const Topology topology({{1, "lo"}, {2, "ext"}, {HP_MOST_LINKS, "late"}}, {}, {});
    const Tables tables = compiled(compiler, {service("s", {"1.0.0.1:80"}, {"10.0.0.2:80"})}, topology);
    EXPECT_EQ(tables.links.size(), 2u);
}

TEST(BpfCompiler, PlacesAreToldApartAsPathsAre) {
    Compiler compiler(0);
    const Tables tables = compiled(compiler, {service("s", {"1.0.0.1:80"}, {"10.0.0.2:80"})});
    EXPECT_TRUE(lies_in(tables, HP_OWN, "10.0.1.1"));
    EXPECT_TRUE(lies_in(tables, HP_OWN, "127.9.9.9"));
    EXPECT_FALSE(lies_in(tables, HP_OWN, "10.0.0.2"));
    EXPECT_TRUE(lies_in(tables, HP_INSIDE, "10.0.1.7"));
    EXPECT_FALSE(lies_in(tables, HP_INSIDE, "1.0.0.100"));
    EXPECT_FALSE(lies_in(tables, HP_INSIDE, "8.8.8.8"));
    const uint32_t peers = tables.backends.begin()->second.peers;
    EXPECT_TRUE(lies_in(tables, peers, "10.0.0.3"));
    EXPECT_FALSE(lies_in(tables, peers, "10.0.1.7"));
    EXPECT_FALSE(lies_in(tables, peers, "1.0.0.100"));
    EXPECT_EQ(tables.links.at(2).outside, 1) << "ext";
    EXPECT_EQ(tables.links.at(3).outside, 0) << "int";
    EXPECT_EQ(tables.settings.first_port, 40000u);
    EXPECT_EQ(tables.settings.ports, 10000u);
}

TEST(BpfCompiler, AMapHasAPrefixAndAMaskForTheHostBits) {
    Compiler compiler(0);
    Service mapped = service("s", {"1.0.0.1:80"}, {"10.0.0.2:80"});
    mapped.source = SourcePolicy::map;
    mapped.source_map = {prefix("10.99.0.0/24"), prefix("fd99::/64")};
    const hp_rules rules = compiled(compiler, {mapped}).rules.begin()->second;
    EXPECT_EQ(rules.has_map[0], 1);
    EXPECT_EQ(from_wire(rules.map_prefix[0]).str(), "10.99.0.0");
    EXPECT_EQ(rules.map_host[0].word[3], htonl(0xFF));
    EXPECT_EQ(rules.map_host[0].word[2], 0u);
    EXPECT_EQ(from_wire(rules.map_host[1]).str(), "::ffff:ffff:ffff:ffff");
}

TEST(BpfCompiler, ListsOfClientsAreNetworksByFamilyAndEqualOnesAreOne) {
    Compiler compiler(0);
    Service guarded = service("guarded", {"1.0.0.1:80"}, {"10.0.0.2:80"});
    guarded.allow = prefixes({"10.0.0.0/24", "::/0"});
    guarded.deny = prefixes({"10.0.0.128/25"});
    Service other = guarded;
    other.name = "other";
    other.listen = {range("1.0.0.1:81")};
    other.allow = prefixes({"10.0.0.0/25", "10.0.0.128/25", "::/0"});
    const Tables tables = compiled(compiler, {guarded, other});
    ASSERT_EQ(tables.rules.size(), 1u);
    const hp_rules& rules = tables.rules.begin()->second;
    EXPECT_TRUE(lies_in(tables, rules.allowed[0], "10.0.0.200"));
    EXPECT_FALSE(lies_in(tables, rules.allowed[0], "8.8.8.8")) << "::/0 is for the other family";
    EXPECT_TRUE(lies_in(tables, rules.allowed[1], "fd00::7"));
    EXPECT_TRUE(lies_in(tables, rules.denied[0], "10.0.0.200"));
    EXPECT_FALSE(lies_in(tables, rules.denied[0], "10.0.0.7"));
    EXPECT_FALSE(lies_in(tables, rules.denied[1], "fd00::7"));
}

TEST(BpfCompiler, AServiceWithoutListsAsksNoNetwork) {
    Compiler compiler(0);
    const hp_rules rules = compiled(compiler, {service("s", {"1.0.0.1:80"}, {"10.0.0.2:80"})}).rules.begin()->second;
    for (const size_t family : {0U, 1U}) {
        EXPECT_EQ(rules.allowed[family], static_cast<uint32_t>(HP_EVERYBODY));
        EXPECT_EQ(rules.denied[family], static_cast<uint32_t>(HP_NOBODY));
    }
}

// A list of one family lets nobody of the other in: a set without addresses is another thing than no set.
TEST(BpfCompiler, AnAllowOfOneFamilyIsAnEmptyNetworkInTheOther) {
    Compiler compiler(0);
    Service guarded = service("guarded", {"[2001:db8::1]:80"}, {"[fd00::2]:80"});
    guarded.allow = prefixes({"10.0.0.0/24"});
    const Tables tables = compiled(compiler, {guarded});
    const hp_rules& rules = tables.rules.begin()->second;
    EXPECT_NE(rules.allowed[1], static_cast<uint32_t>(HP_EVERYBODY));
    EXPECT_FALSE(lies_in(tables, rules.allowed[1], "fd00::7"));
}

TEST(BpfCompiler, WhatStaysKeepsItsNumberAndWhatChangesGetsOneThatNothingHad) {
    Compiler compiler(7);
    const Service kept = service("kept", {"1.0.0.1:80"}, {"10.0.0.2:80"});
    const Tables one = compiled(compiler, {kept, service("moved", {"1.0.0.1:81"}, {"10.0.0.3:80"})});
    const Tables two = compiled(compiler, {kept, service("moved", {"1.0.0.1:81"}, {"10.0.0.4:80"})});
    const auto first_backend = [](const Tables& tables, std::string_view asked) {
        return tables.endpoints.at(asked_endpoint(Protocol::tcp, endpoint(asked))).share.first_backend;
    };
    EXPECT_EQ(first_backend(one, "1.0.0.1:80"), first_backend(two, "1.0.0.1:80"));
    EXPECT_FALSE(one.backends.contains(first_backend(two, "1.0.0.1:81")));
    EXPECT_GE(one.backends.begin()->first, 7u);
}

}  // namespace
}  // namespace hairpin::bpf
