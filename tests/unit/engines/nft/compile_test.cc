// What a service adds to the table. tests/golden/nft holds whole texts; this is what must hold for any of them.
#include "engines/nft/compile.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "engines/nft/frame.h"
#include "engines/packets.h"
#include "unit/model/values.h"

namespace hairpin::nft {
namespace {

std::vector<Service> many_services(int count) {
    std::vector<Service> services;
    for (int i = 0; i < count; ++i) {
        const uint16_t port = static_cast<uint16_t>(1000 + i);
        Service made = service(fmt::format("s{}", i), {}, {});
        made.listen = {{ip("1.0.0.1"), {port, port}}};
        made.backends = {{{Ip::v4(0x0A000002 + static_cast<uint32_t>(i % 200)), {80, 80}}}};
        services.push_back(made);
    }
    return services;
}

std::vector<Part> parts_of(Compiler& compiler, const std::vector<Service>& services) {
    std::vector<Part> parts;
    for (const Service& service : services) parts.push_back(compiler.service(service));
    return parts;
}

size_t size_of(const Part& part) { return part.definitions.size() + part.elements.size(); }

bool has(const Part& part, const Element& element) { return std::ranges::count(part.elements, element) > 0; }

TEST(Compiler, AChangeOfOneServiceTouchesTheElementsOfOneService) {
    Compiler compiler(two_legged().topology());
    std::vector<Service> services = many_services(1000);
    Contents contents;
    contents.replace({}, parts_of(compiler, services));

    Service moved = services[500];
    moved.backends = {{range("10.0.0.250:80")}};
    const Change change = contents.replace({compiler.service(services[500])}, {compiler.service(moved)});
    EXPECT_EQ(commands(change),
              "delete element inet hairpin to4 { 1.0.0.1 . tcp . 1500 }\n"
              "add element inet hairpin private_backends4 { 10.0.0.250 }\n"
              "add element inet hairpin self4 { 10.0.0.250 . 10.0.0.250 }\n"
              "add element inet hairpin to4 { 1.0.0.1 . tcp . 1500 : 10.0.0.250 . 80 }\n");
}

TEST(Compiler, AServiceWhoseBackendsAreAllDownRefuses) {
    Compiler compiler(two_legged().topology());
    Contents contents;
    const std::vector<Service> down = {service("one", {"1.0.0.1:80"}, {}, Protocols::both),
                                       service("range", {"[2001:db8::1]:5000-5009"}, {})};
    EXPECT_EQ(commands(contents.replace({}, parts_of(compiler, down))),
              "add element inet hairpin balance4 { 1.0.0.1 . tcp . 80 : goto no_backend4, "
              "1.0.0.1 . udp . 80 : goto no_backend4 }\n"
              "add element inet hairpin balance_range6 { 2001:db8::1 . tcp . 5000-5009 : goto no_backend6 }\n"
              "add element inet hairpin ours4 { 1.0.0.1 }\n"
              "add element inet hairpin ours6 { 2001:db8::1 }\n");
}

TEST(Compiler, ServicesWithEqualListsShareTheChainThatLetsTheirClientsIn) {
    Compiler compiler(two_legged().topology());
    std::vector<Service> services = many_services(100);
    for (Service& service : services) {
        service.allow = prefixes({"10.0.0.0/8"});
        service.deny = prefixes({"10.0.0.7", "fd00::7"});
    }
    Contents contents;
    const Change change = contents.replace({}, parts_of(compiler, services));
    const auto is_admission = [](const Definition& definition) { return definition.name.starts_with("admit."); };
    EXPECT_EQ(std::ranges::count_if(change.added.definitions, is_admission), 1);
    const auto admission = std::ranges::find_if(change.added.definitions, is_admission);
    ASSERT_NE(admission, change.added.definitions.end());
    EXPECT_EQ(admission->body,
              "ip saddr { 10.0.0.7/32 } goto denied4\n"
              "ip saddr { 10.0.0.0/8 } return\n"
              "goto denied4\n");

    Service opened = services[50];
    opened.allow = {};
    const Change difference = contents.replace({compiler.service(services[50])}, {compiler.service(opened)});
    EXPECT_EQ(difference.added.definitions.size(), 2u) << "its lists, and its own chain that asks them";
    EXPECT_EQ(difference.gone.definitions.size(), 1u) << "the lists of the others stay";
    EXPECT_EQ(difference.gone.elements.size(), 1u);
}

// Nobody, everybody, and all of the other family: what no interval of a set can say.
TEST(Compiler, AListMayHoldAllOrNothingOfAFamily) {
    Compiler compiler(two_legged().topology());
    const auto body = [&](PrefixList allow, PrefixList deny) -> std::string {
        Service guarded = service("s", {"1.0.0.1:80"}, {"10.0.0.2:80"});
        guarded.allow = std::move(allow);
        guarded.deny = std::move(deny);
        const Part part = compiler.service(guarded);
        const auto found = std::ranges::find_if(
            part.definitions, [](const Definition& definition) { return definition.name.starts_with("admit."); });
        return found != part.definitions.end() ? found->body : "";
    };
    EXPECT_EQ(body({}, {}), "");
    EXPECT_EQ(body(prefixes({"0.0.0.0/0"}), {}), "");
    EXPECT_EQ(body(prefixes({"0.0.0.0/0"}), prefixes({"10.0.0.0/8"})), "ip saddr { 10.0.0.0/8 } goto denied4\n");
    EXPECT_EQ(body(prefixes({"::/0"}), {}), "goto denied4\n");
    EXPECT_EQ(body({}, prefixes({"0.0.0.0/1", "128.0.0.0/1"})), "goto denied4\n");
    EXPECT_EQ(body({}, prefixes({"::/0"})), "");
}

TEST(Compiler, AServiceThatRefusesAsksItsListsFirst) {
    Compiler compiler(two_legged().topology());
    Service down = service("down", {"1.0.0.1:80"}, {});
    down.deny = prefixes({"10.0.0.7"});
    const Part part = compiler.service(down);
    ASSERT_EQ(part.definitions.size(), 2u);
    EXPECT_EQ(part.definitions[1].body, "jump " + part.definitions[0].name + "\ngoto no_backend4\n");
    EXPECT_EQ(part.elements[0].value, "goto " + part.definitions[1].name);
}

TEST(Compiler, EqualServicesShareTheirChains) {
    Compiler compiler(two_legged().topology());
    Contents contents;
    const Change change = contents.replace({}, parts_of(compiler, many_services(1000)));
    EXPECT_EQ(change.added.definitions.size(), 2u) << "one profile, one timeout";
}

TEST(Compiler, AnEndpointWithoutABackendThatCanAnswerRefusesItsClients) {
    Compiler compiler(two_legged().topology());
    const Part part = compiler.service(service("six", {"1.0.0.1:80"}, {"[fd00::2]:80"}));
    EXPECT_TRUE(has(part, {"balance4", "1.0.0.1 . tcp . 80", "goto no_backend4"}));
    EXPECT_EQ(part.elements.size(), 2u) << "and it is an address of ours";
}

TEST(Compiler, NoBackendOnTheGatewayItselfHasPeersOrIsGuarded) {
    Compiler compiler(two_legged().topology());
    const Part part = compiler.service(service("here", {"1.0.0.1:80"}, {"10.0.0.1:80"}));
    for (const Element& element : part.elements) {
        EXPECT_NE(element.set, "peers4") << element.key;
        EXPECT_NE(element.set, "private_backends4") << element.key;
    }
}

TEST(Compiler, AServiceIsLedToThoseOfItsBackendsThatHaveAWeight) {
    Compiler compiler(two_legged().topology());
    Service drained = service("drained", {"1.0.0.1:80"}, {"10.0.0.2:80", "10.0.0.3:80"});
    drained.backends[0].weight = 0;
    const Part part = compiler.service(drained);
    EXPECT_TRUE(has(part, {"to4", "1.0.0.1 . tcp . 80", "10.0.0.3 . 80"}));
    EXPECT_TRUE(has(part, {"private_backends4", "10.0.0.2", {}})) << "flows that live still lead there";
}

TEST(Compiler, EverySlotOfMaglevIsAnElement) {
    Compiler compiler(two_legged().topology());
    Service hashed = service("hashed", {"1.0.0.1:80"}, {"10.0.0.2:80", "10.0.0.3:80"});
    hashed.balance = Balance::maglev;
    const Part part = compiler.service(hashed);
    const auto chain = std::ranges::find_if(
        part.definitions, [](const Definition& definition) { return definition.name.starts_with("to.hashed"); });
    ASSERT_NE(chain, part.definitions.end());
    EXPECT_NE(chain->body.find("jhash ip saddr mod 4099 seed 0x68616972 map { 0 : "), std::string::npos);
    EXPECT_NE(chain->body.find(", 4098 : 10.0.0."), std::string::npos);
    EXPECT_EQ(chain->body.find(", 4099 : "), std::string::npos);
}

// An element of a count says whose it is, so that a rule that is made anew goes on with it, and nobody else does.
TEST(Compiler, ALimitIsCountedInElementsOfItsServiceAndNumber) {
    Compiler compiler(two_legged().topology());
    const auto rules = [&](const char* name, uint32_t most, std::vector<std::string> backends) {
        Service limited = service(name, {"1.0.0.1:80"}, {});
        for (const std::string& backend : backends) limited.backends.push_back({range(backend)});
        limited.limits[Limit::connections] = most;
        const Part part = compiler.service(limited);
        const auto chain = std::ranges::find_if(
            part.definitions, [](const Definition& definition) { return definition.name.starts_with("limit."); });
        return chain == part.definitions.end() ? std::string() : chain->body;
    };
    const std::string one = rules("one", 5, {"10.0.0.2:80"});
    EXPECT_NE(one.find("ct count over 5 } goto over_connections4"), one.npos) << one;
    EXPECT_EQ(one, rules("one", 5, {"10.0.0.3:80", "10.0.0.4:80"}));
    EXPECT_NE(one, rules("one", 6, {"10.0.0.2:80"}));
    EXPECT_NE(one, rules("two", 5, {"10.0.0.2:80"}));
    EXPECT_EQ(rules("one", 0, {"10.0.0.2:80"}), "");
}

// Rules on the command line are called like their endpoint; nft(8) refused what that put into a chain's name.
TEST(Compiler, TwoBackendsOnTheCommandLineHaveAChainThatNftTakes) {
    Compiler compiler(two_legged().topology());
    for (const char* endpoint : {"1.0.0.1:53", "[2001:db8::1]:53"}) {
        const bool v4 = endpoint[0] != '[';
        const Part part = compiler.service(v4 ? service(endpoint, {endpoint}, {"10.0.0.2:53", "10.0.0.3:53"})
                                              : service(endpoint, {endpoint}, {"[fd00::2]:53", "[fd00::3]:53"}));
        for (const Definition& definition : part.definitions) {
            EXPECT_EQ(definition.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789._-"), std::string::npos)
                << definition.name;
        }
    }
}

// The default route leads to what no other route does, which is hundreds of networks with a long table of routes. Each
// of them, paired with each, was once told to the kernel.
TEST(Compiler, ABackendBeyondALongTableOfRoutesHasNoMoreElementsThanThereAreNetworks) {
    GatewayNetwork gateway = two_legged();
    for (int i = 0; i < 100; ++i) gateway.route(fmt::format("10.200.{}.0/24", 2 * i), "10.0.1.254");
    Compiler compiler(gateway.topology());
    const Part part = compiler.service(service("far", {"1.0.0.1:80"}, {"198.51.100.7:80"}));
    EXPECT_LT(part.elements.size(), 300u);
    EXPECT_TRUE(std::ranges::all_of(part.elements, [](const Element& element) {
        return element.set != "peers4" || element.key.ends_with(" . 198.51.100.7/32");
    }));
}

// Whatever came and went in whatever order, taking out what is left empties the table.
TEST(Compiler, EveryChangeAndItsReverseLeaveNothing) {
    Compiler compiler(two_legged().topology());
    std::vector<Service> pool = {
        service("a", {"1.0.0.1:80"}, {"10.0.0.2:80"}, Protocols::both),
        service("b", {"1.0.0.1:81"}, {"10.0.0.2:80", "10.0.0.3:80"}),
        service("c", {"1.0.0.1:5000-5009"}, {"10.0.0.2:6000-6009", "10.0.0.3:5000-5009"}),
        service("d", {"1.0.0.1:82", "[2001:db8::1]:82"}, {"10.0.1.7:80", "[fd00::2]:80"}),
        service("e", {"0.0.0.0:83"}, {"10.0.0.3:80"}),
    };
    pool[0].deny = pool[3].deny = prefixes({"8.8.8.8"});
    pool[1].source = SourcePolicy::gateway;
    pool[2].balance = Balance::source_hash;
    pool[3].source = SourcePolicy::map;
    pool[3].source_map = {prefix("10.99.0.0/24")};
    for (unsigned before = 0; before < 32; ++before) {
        for (unsigned after = 0; after < 32; ++after) {
            std::vector<Part> out;
            std::vector<Part> in;
            for (unsigned i = 0; i < pool.size(); ++i) {
                if (before & (1U << i)) out.push_back(compiler.service(pool[i]));
                if (after & (1U << i)) in.push_back(compiler.service(pool[i]));
            }
            Contents contents;
            const Change built = contents.replace({}, out);
            const Change there = contents.replace(out, in);
            const Change back = contents.replace(in, out);
            const Change end = contents.replace(out, {});
            ASSERT_EQ(size_of(there.added), size_of(back.gone)) << before << " " << after;
            ASSERT_EQ(size_of(there.gone), size_of(back.added)) << before << " " << after;
            ASSERT_EQ(size_of(end.gone), size_of(built.added)) << before << " " << after;
            ASSERT_EQ(size_of(end.added), 0u);
        }
    }
}

TEST(Surroundings, TellInsideFromOutside) {
    const Topology topology = two_legged().topology();
    const Ruleset ruleset({service("a", {"1.0.0.1:80"}, {"10.0.0.2:80"})});
    const Part part = surroundings(ruleset, topology);
    const auto keys = [&](std::string_view set) {
        std::set<std::string> found;
        for (const Element& element : part.elements) {
            if (element.set == set) found.insert(element.key);
        }
        return found;
    };
    EXPECT_EQ(keys("outside"), (std::set<std::string>{"\"ext\""}));
    EXPECT_TRUE(keys("inside4").contains("10.0.0.0/23")) << "10.0.0.0/24 and 10.0.1.0/24 as one";
    EXPECT_FALSE(keys("inside4").contains("1.0.0.0/24"));
}

// --- obstacle

TEST(Obstacle, IsAnotherFamilyOrALoopbackAddress) {
    const auto can = [](std::string_view listen, std::string_view backend) {
        return obstacle(range(listen), {range(backend)}).empty();
    };
    EXPECT_TRUE(can("1.0.0.1:80", "10.0.0.2:80"));
    EXPECT_TRUE(can("0.0.0.0:80", "10.0.0.2:80"));
    EXPECT_TRUE(can("[2001:db8::1]:80", "[fd00::2]:80"));
    EXPECT_FALSE(can("1.0.0.1:80", "[fd00::2]:80"));
    EXPECT_FALSE(can("[::]:80", "10.0.0.2:80"));
    EXPECT_FALSE(can("127.0.0.1:80", "10.0.0.2:80"));
    EXPECT_FALSE(can("1.0.0.1:80", "127.0.0.1:80"));
    EXPECT_FALSE(can("[2001:db8::1]:80", "[::1]:80"));
}

// --- The frame

// A table with another mark is replaced whole, so the mark must change with the frame and with nothing else: not with
// the free ports, which differ from start to start.
TEST(Frame, IsMarkedByItsContentAlone) {
    EXPECT_EQ(frame_mark(), frame_mark());
    EXPECT_TRUE(frame_mark().starts_with("frame."));
    for (const PortRange ports : {PortRange{32768, 60999}, PortRange{1024, 2047}}) {
        EXPECT_NE(frame(ports).find("chain " + frame_mark() + " "), std::string::npos);
    }
    EXPECT_FALSE(Definition::names(frame_mark()));
}

TEST(Frame, EmptiesAllThatServicesFillAndNoCounter) {
    const std::string text = frame({32768, 60999});
    Compiler compiler(two_legged().topology());
    Service every = service("e", {"1.0.0.1:80", "[2001:db8::1]:80"}, {"10.0.0.2:80", "[fd00::2]:80"}, Protocols::both);
    every.source = SourcePolicy::gateway;
    const Ruleset ruleset({every});
    for (const Part& part : {compiler.service(every), surroundings(ruleset, compiler.topology())}) {
        for (const Element& element : part.elements) {
            const std::string kind = element.value.empty() ? "set" : "map";
            EXPECT_NE(text.find("flush " + kind + " inet hairpin " + element.set + "\n"), std::string::npos)
                << element.set;
        }
    }
    for (const Family family : all_families) {
        EXPECT_EQ(text.find("flush set inet hairpin " + accepted_set(family)), text.npos);
    }
}

}  // namespace
}  // namespace hairpin::nft
