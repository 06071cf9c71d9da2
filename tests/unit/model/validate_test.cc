// Every rule, its exact words and its place; and the rules all at once, at a size that forbids comparing each with
// each.
#include "model/validate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <random>

#include "support/thread_time.h"
#include "unit/model/values.h"

namespace hairpin {
namespace {

using Key = Place::Key;

// "1.backends[0]: message" for each problem.
std::vector<std::string> problems(const std::vector<Service>& services, const Topology* topology = nullptr) {
    std::vector<std::string> lines;
    for (const Problem& p : validate(services, topology)) {
        std::string line = std::to_string(p.place.service) + ".";
        switch (p.place.key) {
            case Key::service:
                line += "service";
                break;
            case Key::listen:
                line += "listen[" + std::to_string(p.place.index) + "]";
                break;
            case Key::backend_names:
                line += "backend_names[" + std::to_string(p.place.index) + "]";
                break;
            case Key::listen_links:
                line += "listen_links[" + std::to_string(p.place.index) + "]";
                break;
            case Key::backends:
                line += "backends[" + std::to_string(p.place.index) + "]";
                break;
            case Key::source:
                line += "source[" + std::to_string(p.place.index) + "]";
                break;
            case Key::allow:
                line += "allow[" + std::to_string(p.place.index) + "]";
                break;
            case Key::deny:
                line += "deny[" + std::to_string(p.place.index) + "]";
                break;
            case Key::proxy_protocol:
                line += "proxy_protocol";
                break;
            case Key::health:
                line += "health";
                break;
        }
        lines.push_back(line + ": " + p.message);
    }
    return lines;
}

using Lines = std::vector<std::string>;

TEST(Validate, AHealthCheckFitsIntoItsIntervalAndAsksWhatIsServed) {
    Service udp = service("udp", {"1.0.0.1:53"}, {"10.0.0.2:53"}, Protocols::udp);
    HealthCheck check;
    check.interval = std::chrono::milliseconds(500);
    udp.health = check;
    EXPECT_EQ(
        problems({udp}),
        (Lines{"0.health: a check may take 1000 ms, but the next one begins after 500 ms; lower the timeout or raise "
               "the interval",
               "0.health: kind tcp asks over TCP, which this service is not served over; choose another kind, or "
               "give the port of what answers it"}));
    check.interval = check.timeout;
    check.port = 8080;
    udp.health = check;
    EXPECT_EQ(problems({udp}), Lines{});
}

TEST(Validate, FindsNothingWrongWithTheDefaultExample) {
    const std::vector<Service> services = {service("srv1", {"1.0.0.1:5432"}, {"10.0.0.2:54321"}),
                                           service("srv2", {"1.0.0.1:1234"}, {"10.0.0.3:12345"})};
    EXPECT_EQ(problems(services), Lines{});
    const Topology topology = two_legged().topology();
    EXPECT_EQ(problems(services, &topology), Lines{});
    EXPECT_EQ(problems({}), Lines{});
}

TEST(Validate, AllowsWhatOnlyLooksLikeAMistake) {
    const Topology topology = two_legged().topology();
    const std::vector<Service> services = {
        service("tcp", {"1.0.0.1:53"}, {"10.0.0.2:53"}, Protocols::tcp),
        service("udp", {"1.0.0.1:53"}, {"10.0.0.2:53"}, Protocols::udp),  // the same port, another protocol
        service("next", {"1.0.0.1:54-60"}, {"10.0.0.2:54-60"}),           // neighbours
        service("on-gateway", {"1.0.0.1:80"}, {"1.0.0.1:8080"}),          // a server on the gateway itself
        service("loopback", {"1.0.0.1:81"}, {"127.0.0.1:81"}),            // nobody serves 127.0.0.1:81 but the server
        service("four", {"0.0.0.0:90"}, {"10.0.0.2:90"}),                 // one family leaves the other alone
        service("six", {"[::]:90"}, {"10.0.0.2:90", "[fd00::2]:90"}),
        service("inside", {"10.0.0.1:91"}, {"10.0.0.2:91"}),  // the gateway's own, among the backends
        service("other-protocol", {"1.0.0.1:92"}, {"1.0.0.1:93"}, Protocols::tcp),
        service("target", {"1.0.0.1:93"}, {"10.0.0.2:93"}, Protocols::udp),
        service("routed-vip", {"7.7.7.7:94"}, {"10.0.0.2:94"}),            // an address that is routed to the gateway
        service("shared", {"1.0.0.1:95", "1.0.0.1:96"}, {"10.0.0.2:95"}),  // two endpoints, one backend
    };
    EXPECT_EQ(problems(services), Lines{});
    EXPECT_EQ(problems(services, &topology), Lines{});
}

TEST(Validate, WantsSomethingToListenOnAndSomebodyBehind) {
    EXPECT_EQ(problems({service("a", {}, {"10.0.0.2:1"}), service("b", {"1.0.0.1:1"}, {})}),
              (Lines{"0.service: has no endpoint to listen on; give it one",
                     "1.service: has no backends; give it at least one"}));
}

TEST(Validate, WantsNamesThatDiffer) {
    EXPECT_EQ(problems({service("a", {"1.0.0.1:1"}, {"10.0.0.2:1"}), service("b", {"1.0.0.1:2"}, {"10.0.0.2:1"}),
                        service("a", {"1.0.0.1:3"}, {"10.0.0.2:1"})}),
              (Lines{"2.service: another service is called 'a' already; rename one"}));
}

TEST(Validate, RefusesOverlappingEndpoints) {
    EXPECT_EQ(problems({service("a", {"1.0.0.1:80"}, {"10.0.0.2:80"}), service("b", {"1.0.0.1:80"}, {"10.0.0.3:80"})}),
              (Lines{"1.listen[0]: 1.0.0.1:80 overlaps 1.0.0.1:80 of service 'a'; change the address, the port or the "
                     "protocol of one"}));
    EXPECT_EQ(problems({service("a", {"1.0.0.1:80", "1.0.0.1:80"}, {"10.0.0.2:80"})}),
              (Lines{"0.listen[1]: 1.0.0.1:80 overlaps 1.0.0.1:80 of this service; change the address, the port or the "
                     "protocol of one"}));
    EXPECT_EQ(
        problems({service("a", {"1.0.0.1:150"}, {"10.0.0.2:150"}),
                  service("b", {"[::ffff:1.0.0.1]:100-199"}, {"10.0.0.3:100-199"})}),
        (Lines{"1.listen[0]: 1.0.0.1:100-199 overlaps 1.0.0.1:150 of service 'a'; change the address, the port or "
               "the protocol of one"}));
}

TEST(Validate, ReportsAnOverlapInBothProtocolsOnce) {
    EXPECT_EQ(problems({service("a", {"1.0.0.1:80"}, {"10.0.0.2:80"}, Protocols::both),
                        service("b", {"1.0.0.1:80"}, {"10.0.0.3:80"}, Protocols::both)})
                  .size(),
              1u);
    EXPECT_EQ(problems({service("a", {"1.0.0.1:80"}, {"10.0.0.2:80"}, Protocols::udp),
                        service("b", {"1.0.0.1:80"}, {"10.0.0.3:80"}, Protocols::both)})
                  .size(),
              1u);
}

TEST(Validate, RefusesAnEndpointThatAWildcardCovers) {
    EXPECT_EQ(
        problems({service("all", {"0.0.0.0:80"}, {"10.0.0.2:8080"}), service("one", {"1.0.0.1:80"}, {"10.0.0.3:80"}),
                  service("six", {"[2001:db8::1]:80"}, {"[fd00::2]:80"})}),
        (Lines{"1.listen[0]: 1.0.0.1:80 overlaps 0.0.0.0:80 of service 'all', for 0.0.0.0 stands for all of the "
               "gateway's addresses; change the address, the port or the protocol of one"}));
    EXPECT_EQ(problems({service("six", {"[2001:db8::1]:70-80"}, {"[fd00::2]:70-80"}),
                        service("all", {"[::]:80"}, {"[fd00::2]:1"})}),
              (Lines{"1.listen[0]: [::]:80 overlaps [2001:db8::1]:70-80 of service 'six', for :: stands for all of the "
                     "gateway's addresses; change the address, the port or the protocol of one"}));
}

TEST(Validate, RefusesABackendThatIsItsOwnEndpoint) {
    const auto circle = [](std::string_view backend, std::string_view listen) {
        return Lines{"0.backends[0]: " + std::string(backend) + " leads back to the gateway: this service listens on " +
                     std::string(listen) + ", so a connection would go in a circle; name the server behind it"};
    };
    EXPECT_EQ(problems({service("a", {"1.0.0.1:80"}, {"1.0.0.1:80"})}), circle("1.0.0.1:80", "1.0.0.1:80"));
    EXPECT_EQ(problems({service("a", {"1.0.0.1:80"}, {"[::ffff:1.0.0.1]:80"})}), circle("1.0.0.1:80", "1.0.0.1:80"));
    EXPECT_EQ(problems({service("a", {"[::ffff:100:1]:80"}, {"1.0.0.1:80"})}), circle("1.0.0.1:80", "1.0.0.1:80"));
    EXPECT_EQ(problems({service("a", {"127.0.0.1:80"}, {"127.0.0.1:80"})}), circle("127.0.0.1:80", "127.0.0.1:80"));
    EXPECT_EQ(problems({service("a", {"0.0.0.0:80"}, {"127.0.0.1:80"})}), circle("127.0.0.1:80", "0.0.0.0:80"));
    EXPECT_EQ(problems({service("a", {"0.0.0.0:80"}, {"127.3.3.3:80"})}), circle("127.3.3.3:80", "0.0.0.0:80"));
    EXPECT_EQ(problems({service("a", {"[::]:80"}, {"[::1]:80"})}), circle("[::1]:80", "[::]:80"));
    EXPECT_EQ(problems({service("a", {"1.0.0.1:80"}, {"1.0.0.1:80"}, Protocols::both)}),
              circle("1.0.0.1:80", "1.0.0.1:80"));
    // Ranges: 5099 would come back as 5199, and that as nothing; but 5000 comes back to 5100.
    EXPECT_EQ(problems({service("a", {"1.0.0.1:5000-5199"}, {"1.0.0.1:5100-5299"})}),
              circle("1.0.0.1:5100-5299", "1.0.0.1:5000-5199"));
}

TEST(Validate, RefusesABackendThatIsAnotherServicesEndpoint) {
    const std::string why = ", and a flow is translated only once; name the server behind it";
    // In a circle of two.
    EXPECT_EQ(problems({service("a", {"1.0.0.1:80"}, {"1.0.0.1:81"}), service("b", {"1.0.0.1:81"}, {"1.0.0.1:80"})}),
              (Lines{"0.backends[0]: 1.0.0.1:81 leads back to the gateway: service 'b' listens on 1.0.0.1:81" + why,
                     "1.backends[0]: 1.0.0.1:80 leads back to the gateway: service 'a' listens on 1.0.0.1:80" + why}));
    // In a chain that would end.
    EXPECT_EQ(problems({service("a", {"1.0.0.1:80"}, {"10.0.0.2:1", "1.0.0.1:81"}),
                        service("b", {"1.0.0.1:81"}, {"10.0.0.2:80"})}),
              (Lines{"0.backends[1]: 1.0.0.1:81 leads back to the gateway: service 'b' listens on 1.0.0.1:81" + why}));
    // Through 127.0.0.1, into a range, and over UDP only.
    EXPECT_EQ(
        problems({service("a", {"1.0.0.1:80"}, {"127.0.0.1:85"}, Protocols::udp),
                  service("b", {"0.0.0.0:81-89"}, {"10.0.0.2:81-89"}, Protocols::both)}),
        (Lines{"0.backends[0]: 127.0.0.1:85 leads back to the gateway: service 'b' listens on 0.0.0.0:81-89" + why}));
}

TEST(Validate, KnowsTheGatewaysOtherAddressesFromItsTopology) {
    const Topology topology = two_legged().topology();
    const std::vector<Service> services = {service("a", {"0.0.0.0:80"}, {"10.0.0.1:80"}),
                                           service("b", {"[::]:81"}, {"[fd00::1]:81"})};
    EXPECT_EQ(problems(services), Lines{});
    EXPECT_EQ(problems(services, &topology),
              (Lines{"0.backends[0]: 10.0.0.1:80 leads back to the gateway: this service listens on 0.0.0.0:80, so a "
                     "connection would go in a circle; name the server behind it",
                     "1.backends[0]: [fd00::1]:81 leads back to the gateway: this service listens on [::]:81, so a "
                     "connection would go in a circle; name the server behind it"}));
}

TEST(Validate, RefusesAnEndpointInsideTheBackendsNetwork) {
    const Topology topology = two_legged().topology();
    const std::vector<Service> services = {service("a", {"10.0.0.77:80"}, {"10.0.0.2:80"}),
                                           service("b", {"[fd00::77]:80"}, {"[fd00::2]:80"}),
                                           service("c", {"10.0.1.77:80"}, {"10.0.0.2:80"})};  // no backend lives there
    EXPECT_EQ(problems(services), Lines{});
    EXPECT_EQ(
        problems(services, &topology),
        (Lines{"0.listen[0]: 10.0.0.77:80 lies in the backends' own network 10.0.0.0/24, where the gateway does not "
               "answer for it; give the gateway that address, or choose one outside",
               "1.listen[0]: [fd00::77]:80 lies in the backends' own network fd00::/64, where the gateway does not "
               "answer for it; give the gateway that address, or choose one outside"}));
}

TEST(Validate, AllowsAnEndpointInALocalNetworkInsideTheBackendsNetwork) {
    const Topology two = two_legged().topology();
    const Topology topology(two.links(), two.addresses(), two.routes(), {prefix("10.0.0.64/26")});
    EXPECT_EQ(problems({service("a", {"10.0.0.77:80"}, {"10.0.0.2:80"})}, &topology), Lines{});
}

TEST(Validate, AllowsAHomeBoxWithOneNetwork) {
    GatewayNetwork gateway;
    gateway.link("eth0").address("192.168.1.10/24").route("0.0.0.0/0", "192.168.1.1");
    const Topology topology = gateway.topology();
    EXPECT_EQ(problems({service("a", {"192.168.1.10:80"}, {"192.168.1.20:80"})}, &topology), Lines{});
}

TEST(Validate, WantsAsManyPortsBehindAsInFront) {
    EXPECT_EQ(
        problems({service("a", {"1.0.0.1:5000-5999"}, {"10.0.0.2:5000-5999", "10.0.0.3:5000-5998", "10.0.0.4:5000"}),
                  service("b", {"1.0.0.1:80"}, {"10.0.0.2:80-81"})}),
        (Lines{"0.backends[1]: 10.0.0.3:5000-5998 has 999 ports, but 1.0.0.1:5000-5999 has 1000 ports; each port "
               "that is listened on needs one at the backend",
               "0.backends[2]: 10.0.0.4:5000 has 1 port, but 1.0.0.1:5000-5999 has 1000 ports; each port that is "
               "listened on needs one at the backend",
               "1.backends[0]: 10.0.0.2:80-81 has 2 ports, but 1.0.0.1:80 has 1 port; each port that is listened on "
               "needs one at the backend"}));
    EXPECT_EQ(
        problems({service("a", {"1.0.0.1:1-2", "1.0.0.1:11-13"}, {"10.0.0.2:1-2"})}),
        (Lines{"0.listen[1]: 1.0.0.1:11-13 has 3 ports, but 1.0.0.1:1-2 has 2 ports; the endpoints of one service "
               "need the same number, or a service each"}));
}

TEST(Validate, RefusesABackendListedTwice) {
    EXPECT_EQ(problems({service("a", {"1.0.0.1:80"}, {"10.0.0.2:80", "10.0.0.3:80", "[::ffff:10.0.0.2]:80"})}),
              (Lines{"0.backends[2]: 10.0.0.2:80 is listed twice; remove one"}));
}

TEST(Validate, RefusesAServiceThatNobodyTakesFlowsOf) {
    Service drained = service("a", {"1.0.0.1:80"}, {"10.0.0.2:80", "10.0.0.3:80"});
    drained.backends[0].weight = 0;
    EXPECT_EQ(problems({drained}), Lines());
    drained.backends[1].weight = 257;
    EXPECT_EQ(problems({drained}), (Lines{"0.backends[1]: 10.0.0.3:80 needs a weight from 0 to 256"}));
    drained.backends[1].weight = 0;
    EXPECT_EQ(problems({drained}), (Lines{"0.backends[0]: 10.0.0.2:80 and all others have weight 0, so nobody takes "
                                          "new flows; give one a weight"}));
}

TEST(Validate, RefusesBackendsThatAreNoHost) {
    EXPECT_EQ(
        problems({service("a", {"1.0.0.1:80"},
                          {"0.0.0.0:80", "[::]:80", "224.0.0.1:80", "[ff02::1]:80", "255.255.255.255:80",
                           "169.254.1.1:80", "[fe80::1]:80"})}),
        (Lines{"0.backends[0]: 0.0.0.0:80 names no host; write the backend's address",
               "0.backends[1]: [::]:80 names no host; write the backend's address",
               "0.backends[2]: 224.0.0.1:80 is a multicast address; write the address of one host",
               "0.backends[3]: [ff02::1]:80 is a multicast address; write the address of one host",
               "0.backends[4]: 255.255.255.255:80 is the broadcast address; write the address of one host",
               "0.backends[5]: 169.254.1.1:80 is a link-local address, which means nothing beyond its link; write "
               "the address of one host",
               "0.backends[6]: [fe80::1]:80 is a link-local address, which means nothing beyond its link; write the "
               "address of one host"}));
}

TEST(Validate, RefusesEndpointsThatNobodyCanOwn) {
    EXPECT_EQ(
        problems({service("a", {"224.0.0.1:80", "255.255.255.255:80", "[fe80::1]:80"}, {"10.0.0.2:80"})}),
        (Lines{"0.listen[0]: 224.0.0.1:80 is a multicast address; listen on an address of the gateway's own",
               "0.listen[1]: 255.255.255.255:80 is the broadcast address; listen on an address of the gateway's own",
               "0.listen[2]: [fe80::1]:80 is a link-local address, which means nothing beyond its link; listen on an "
               "address of the gateway's own"}));
}

TEST(Validate, KnowsTheBroadcastAddressesOfItsNetworks) {
    GatewayNetwork gateway = two_legged();
    gateway.link("p2p").address("10.7.0.0/31");
    const Topology topology = gateway.topology();
    EXPECT_EQ(problems({service("a", {"1.0.0.255:80"}, {"10.0.0.255:80", "10.7.0.1:80"})}, &topology),
              (Lines{"0.listen[0]: 1.0.0.255:80 is the broadcast address of a network of this gateway",
                     "0.backends[0]: 10.0.0.255:80 is the broadcast address of its network, not a host"}));
}

TEST(Validate, RefusesPortsThatDoNotExist) {
    Service s = service("a", {"1.0.0.1:80"}, {"10.0.0.2:80"});
    s.listen[0].ports = {0, 0};
    s.backends[0].endpoint.ports = {9, 8};
    EXPECT_EQ(problems({s}), (Lines{"0.listen[0]: 1.0.0.1:0 needs ports from 1 to 65535, the smaller one first",
                                    "0.backends[0]: 10.0.0.2:9 needs ports from 1 to 65535, the smaller one first"}));
}

TEST(Validate, RefusesProxyVersion1OverUdp) {
    for (const Protocols protocols : {Protocols::tcp, Protocols::udp, Protocols::both}) {
        for (const ProxyHeader header : {ProxyHeader::none, ProxyHeader::v1, ProxyHeader::v2}) {
            Service s = service("a", {"1.0.0.1:80"}, {"10.0.0.2:80"}, protocols);
            s.send_proxy = header;
            s.accept_proxy_from = {prefix("10.0.0.0/8")};  // in version 2, each datagram may bring its own
            const bool bad = header == ProxyHeader::v1 && protocols != Protocols::tcp;
            const std::string message =
                "0.proxy_protocol: PROXY protocol v1 cannot speak of UDP; send v2, or serve TCP only";
            EXPECT_EQ(problems({s}), bad ? Lines{message} : Lines{});
        }
    }
}

TEST(Validate, WantsTimeoutsAndRoom) {
    Service s = service("a", {"1.0.0.1:80"}, {"10.0.0.2:80"});
    s.connect_timeout = std::chrono::milliseconds(0);
    s.idle_timeout = std::chrono::milliseconds(-1);
    s.max_sessions = 0;
    EXPECT_EQ(problems({s}),
              (Lines{"0.service: needs a connect timeout above zero", "0.service: needs an idle timeout above zero",
                     "0.service: needs room for one UDP session at least"}));
}

Service mapped(std::vector<std::string_view> prefixes) {
    Service s = service("a", {"1.0.0.1:80"}, {"10.0.0.2:80"});
    s.source = SourcePolicy::map;
    for (const auto text : prefixes) s.source_map.push_back(prefix(text));
    return s;
}

TEST(Validate, WantsAMapPrefixOfEachFamilyAtMostOnce) {
    EXPECT_EQ(problems({mapped({"10.99.0.0/24", "fd99::/64"})}), Lines{});
    EXPECT_EQ(problems({mapped({})}), (Lines{"0.source[0]: has no prefix to map clients into; give it one"}));
    EXPECT_EQ(problems({mapped({"10.99.0.0/24", "fd99::/64", "10.98.0.0/24"})}),
              (Lines{"0.source[2]: 10.98.0.0/24 is a second IPv4 prefix; a service maps each family into one"}));
}

TEST(Validate, WantsAMapPrefixThatIsUnused) {
    EXPECT_EQ(
        problems({mapped({"10.0.0.0/24"})}),
        (Lines{"0.source[0]: 10.0.0.0/24 holds the backend 10.0.0.2, whose address a client could be given; choose "
               "an unused prefix"}));
    EXPECT_EQ(problems({mapped({"1.0.0.0/8"})}),
              (Lines{"0.source[0]: 1.0.0.0/8 holds the external address 1.0.0.1; choose an unused prefix"}));
    EXPECT_EQ(
        problems({mapped({"10.99.0.0/24"}), service("b", {"1.0.0.1:81"}, {"10.99.0.7:1"})}),
        (Lines{"0.source[0]: 10.99.0.0/24 holds the backend 10.99.0.7, whose address a client could be given; choose "
               "an unused prefix"}));
    const std::string no_host = " holds addresses that no host can have; choose an unused prefix of unicast addresses";
    for (const std::string bad :
         {"127.0.0.0/8", "224.0.0.0/4", "169.254.0.0/16", "0.0.0.0/8", "ff00::/8", "fe80::/64"}) {
        EXPECT_EQ(problems({mapped({bad})}), (Lines{"0.source[0]: " + bad + no_host}));
    }
    for (const std::string bad : {"10.99.0.1/32", "fd99::1/128"}) {
        EXPECT_EQ(problems({mapped({bad})}),
                  (Lines{"0.source[0]: " + bad +
                         " would make all clients one; give a prefix with room for the clients' "
                         "host bits"}));
    }
}

TEST(Validate, WantsAMapPrefixBesideTheGatewaysNetworks) {
    const Topology topology = two_legged().topology();
    EXPECT_EQ(problems({mapped({"10.99.0.0/24"})}, &topology), Lines{});
    EXPECT_EQ(
        problems({mapped({"10.0.1.0/25"})}, &topology),
        (Lines{"0.source[0]: 10.0.1.0/25 overlaps the network 10.0.1.0/24 of this gateway, so replies would not come "
               "back through it; choose an unused prefix"}));
}

// Two peers whose host bits are cut off would share one address: the map is one to one, or it is no map.
TEST(Validate, WantsAMapPrefixThatHoldsTheWholeBackendsNetwork) {
    const Topology topology = two_legged().topology();
    EXPECT_EQ(problems({mapped({"10.99.0.0/20", "fd99::/96"})}, &topology), Lines{});
    EXPECT_EQ(
        problems({mapped({"10.99.0.0/25"})}, &topology),
        (Lines{"0.source[0]: 10.99.0.0/25 has fewer addresses than the backends' network 10.0.0.0/24, so two peers "
               "would look like one; give a prefix no longer than /24"}));
}

TEST(Validate, SaysEverythingAtOnceInTheOrderOfTheServices) {
    Service worst = service("a", {"1.0.0.1:80", "224.0.0.1:80"}, {"10.0.0.2:80", "10.0.0.2:80", "1.0.0.1:80"});
    worst.max_sessions = 0;
    const auto found = validate(std::vector{service("a", {"1.0.0.1:80"}, {"10.0.0.2:80"}), worst});
    std::vector<Place> places;
    for (const Problem& p : found) places.push_back(p.place);
    EXPECT_EQ(places, (std::vector<Place>{{1, Key::service, 0},
                                          {1, Key::service, 0},
                                          {1, Key::listen, 0},
                                          {1, Key::listen, 1},
                                          {1, Key::backends, 1},
                                          {1, Key::backends, 2}}));
}

// The quick search for overlaps against the obvious one: an endpoint is reported, or another one names it, if and only
// if it overlaps any.
TEST(Validate, FindsTheSameOverlapsAsComparingEachWithEach) {
    std::mt19937 random(5);
    const Ip pool[] = {ip("1.0.0.1"), ip("1.0.0.2"), ip("0.0.0.0"), ip("::"), ip("fd00::1")};
    for (int round = 0; round < 2'000; ++round) {
        std::vector<Service> services(1 + random() % 6);
        for (size_t s = 0; s < services.size(); ++s) {
            services[s].name = std::to_string(s);
            services[s].protocols = static_cast<Protocols>(random() % 3);
            services[s].backends = {{range("10.0.0.2:1")}};
            const auto first = static_cast<uint16_t>(1 + random() % 20);
            services[s].listen = {{pool[random() % 5], {first, static_cast<uint16_t>(first + random() % 8)}}};
        }
        bool any_overlap = false;
        std::vector<bool> last_of_pair(services.size());
        for (size_t a = 0; a < services.size(); ++a) {
            for (size_t b = 0; b < a; ++b) {
                const EndpointRange& x = services[a].listen[0];
                const EndpointRange& y = services[b].listen[0];
                const bool same =
                    x.ip.family() == y.ip.family() && (x.ip == y.ip || x.ip.is_unspecified() || y.ip.is_unspecified());
                const bool protocol = services[a].protocols == Protocols::both ||
                                      services[b].protocols == Protocols::both ||
                                      services[a].protocols == services[b].protocols;
                if (!same || !protocol || !x.ports.overlaps(y.ports)) continue;
                any_overlap = true;
                last_of_pair[a] = true;
            }
        }
        bool reported = false;
        for (const Problem& p : validate(services)) {
            if (p.place.key != Key::listen) continue;
            reported = true;
            ASSERT_TRUE(last_of_pair[p.place.service]) << p.message;
        }
        ASSERT_EQ(reported, any_overlap);
    }
}

TEST(Validate, WhomDenyKeepsOutIsNotAllowed) {
    Service guarded = service("a", {"1.0.0.1:80"}, {"10.0.0.2:80"});
    guarded.allow = prefixes({"10.0.0.0/24", "10.1.0.0/24", "10.2.0.0/24", "fd00::/64"});
    guarded.deny = prefixes({"10.0.0.0/16", "10.1.0.0/25", "10.1.0.128/25", "10.2.0.0/25"});
    EXPECT_EQ(problems({guarded}),
              (Lines{"0.allow[0]: 10.0.0.0/24 lies in deny 10.0.0.0/16, which wins: nobody of it is let in; remove it "
                     "from one of the two",
                     "0.allow[1]: 10.1.0.0/24 lies in deny, which wins: nobody of it is let in; remove it from one of "
                     "the two"}));
}

TEST(Validate, APrefixIsListedOnce) {
    Service guarded = service("a", {"1.0.0.1:80"}, {"10.0.0.2:80"});
    guarded.allow = prefixes({"10.0.0.0/24", "fd00::/64", "10.0.0.0/24"});
    guarded.deny = prefixes({"10.0.0.7", "10.0.0.7", "10.0.0.7"});
    EXPECT_EQ(problems({guarded}), (Lines{"0.allow[2]: 10.0.0.0/24 is listed twice; remove one",
                                          "0.deny[1]: 10.0.0.7/32 is listed twice; remove one",
                                          "0.deny[2]: 10.0.0.7/32 is listed twice; remove one"}));
}

// What stands in `defaults` is wrong once.
TEST(Validate, ListsThatServicesShareAreLookedAtOnce) {
    Service one = service("one", {"1.0.0.1:80"}, {"10.0.0.2:80"});
    one.deny = prefixes({"10.0.0.7", "10.0.0.7"});
    Service other = one;
    other.name = "other";
    other.listen = {range("1.0.0.1:81")};
    EXPECT_EQ(problems({one, other}), (Lines{"0.deny[1]: 10.0.0.7/32 is listed twice; remove one"}));
}

TEST(Validate, Takes100000ServicesInItsStride) {
    std::vector<Service> services;
    for (uint32_t i = 0; i < 100'000; ++i) {
        Service s;
        s.name = "service-" + std::to_string(i);
        s.listen = {
            {Ip::v4(0x01000001 + i % 7), {static_cast<uint16_t>(1 + i / 7 * 2), static_cast<uint16_t>(2 + i / 7 * 2)}}};
        s.backends = {{{Ip::v4(0x0a000002 + i % 200),
                        {static_cast<uint16_t>(1 + i % 60'000), static_cast<uint16_t>(2 + i % 60'000)}}}};
        s.protocols = Protocols::both;
        services.push_back(std::move(s));
    }
    const Topology topology = two_legged().topology();
    const auto start = thread_time();
    EXPECT_EQ(problems(services, &topology), Lines{});
    services[99'999].listen = services[0].listen;
    EXPECT_EQ(problems(services, &topology).size(), 1u);
    // Comparing each with each would take minutes; this takes a tenth of a second, some seconds under a sanitizer.
    EXPECT_LT(thread_time() - start, std::chrono::seconds(20));
}

}  // namespace
}  // namespace hairpin
