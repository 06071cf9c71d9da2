// Services that follow the addresses of links.
#include "model/listen_links.h"

#include <gtest/gtest.h>

#include "model/as_written.h"
#include "unit/model/values.h"

namespace hairpin {
namespace {

Service on_links(const std::string& name, const std::vector<std::string>& links,
                 const std::vector<std::string_view>& listen = {}) {
    Service made = service(name, listen, {"10.0.0.2:80"});
    for (const std::string& text : links) made.listen_links.push_back(*LinkListen::parse(text));
    return made;
}

// A gateway whose eth0 bears these, and eth1 192.168.0.1.
Topology gateway(const std::vector<std::string>& eth0) {
    std::vector<Address> addresses = {{*Ip::parse("192.168.0.1"), 24, 3}};
    for (const std::string& ip : eth0) addresses.push_back({*Ip::parse(ip), 24, 2});
    return {{{2, "eth0"}, {3, "eth1"}}, std::move(addresses), {}};
}

std::vector<std::string> listens(const Service& service) {
    std::vector<std::string> texts;
    for (const EndpointRange& listen : service.listen) texts.push_back(listen.str());
    return texts;
}

using Texts = std::vector<std::string>;

TEST(ListenLinks, AreServedAtAllTheirAddressesButLinkLocalOnes) {
    const auto at = follow_links({on_links("a", {"eth0:80", "eth1:81"}, {"1.0.0.9:80"})},
                                 gateway({"1.0.0.1", "2001:db8::1", "fe80::1", "169.254.0.1"}));
    EXPECT_EQ(listens(at[0]), (Texts{"1.0.0.9:80", "1.0.0.1:80", "[2001:db8::1]:80", "192.168.0.1:81"}));
}

TEST(ListenLinks, LeaveAddressesThatAreGone) {
    auto services = follow_links({on_links("a", {"eth0:80"}, {"1.0.0.9:80"})}, gateway({"1.0.0.1"}));
    services = follow_links(std::move(services), gateway({"1.0.0.2"}));
    EXPECT_EQ(listens(services[0]), (Texts{"1.0.0.9:80", "1.0.0.2:80"}));
    services = follow_links(std::move(services), Topology());
    EXPECT_EQ(services[0], on_links("a", {"eth0:80"}, {"1.0.0.9:80"}));
}

TEST(ListenLinks, TakeAnAddressOnce) {
    const auto at = follow_links({on_links("a", {"eth0:80"}, {"1.0.0.1:80"})}, gateway({"1.0.0.1", "1.0.0.2"}));
    EXPECT_EQ(listens(at[0]), (Texts{"1.0.0.1:80", "1.0.0.2:80"}));
}

// Another service has the address already: it keeps it, and the rest goes on.
TEST(ListenLinks, AreLeftOutWhereTheirAddressIsTaken) {
    const Topology topology = gateway({"1.0.0.1", "1.0.0.2", "1.0.0.3"});
    auto services = follow_links({on_links("fixed", {}, {"1.0.0.2:80"}), on_links("a", {"eth0:80"})}, topology);
    const auto problems = validate(services, &topology);
    ASSERT_EQ(problems.size(), 1u);
    EXPECT_EQ(as_written(services[1], problems[0].place), (Place{1, Place::Key::listen_links, 0}));
    EXPECT_TRUE(is_passing(services, problems[0]));
    services = without(std::move(services), problems);
    EXPECT_EQ(listens(services[0]), Texts{"1.0.0.2:80"});
    EXPECT_EQ(listens(services[1]), (Texts{"1.0.0.1:80", "1.0.0.3:80"}));
    EXPECT_TRUE(validate(services, &topology).empty());
    services = follow_links(std::move(services), gateway({"1.0.0.4"}));
    EXPECT_EQ(listens(services[1]), Texts{"1.0.0.4:80"});
}

// What was written with the address of a link that came later: the link's gives way, whichever stands first.
TEST(ListenLinks, GiveWayToWhatIsWrittenOut) {
    const Topology topology = gateway({"1.0.0.1", "1.0.0.2"});
    auto services = follow_links({on_links("a", {"eth0:80"}), on_links("fixed", {}, {"1.0.0.2:80"})}, topology);
    services = without(std::move(services), validate(services, &topology));
    EXPECT_EQ(listens(services[0]), Texts{"1.0.0.1:80"});
    EXPECT_EQ(listens(services[1]), Texts{"1.0.0.2:80"});
}

TEST(ListenLinks, AreWrittenAsNameAndPorts) {
    for (const char* text : {"eth0:80", "wan.7:1-2", "br-lan:53", "a:1"}) {
        const auto parsed = LinkListen::parse(text);
        ASSERT_TRUE(parsed) << text;
        EXPECT_EQ(parsed->str(), text);
    }
    for (const char* text : {"1.0.0.1:80", "[fd00::1]:80", "fd00::1", "eth0", ":80", "sixteen-letters-:80", "e/h0:80",
                             "http://host:80", "localhost:80", "www.example.com:80", "1.0.0.l:80"}) {
        EXPECT_FALSE(LinkListen::is_meant(text)) << text;
    }
    EXPECT_EQ(LinkListen::parse("eth0:99999").error().message,
              "'99999' is not a port: write 1 to 65535, or a range FIRST-LAST");
}

TEST(ListenLinks, AreListedOnce) {
    const std::vector services = {on_links("a", {"ppp0:80", "eth0:80"}), on_links("b", {"eth0:81"}),
                                  on_links("c", {}, {"1.0.0.1:1"})};
    EXPECT_EQ(links_listened_on(services), (Texts{"eth0", "ppp0"}));
}

}  // namespace
}  // namespace hairpin
