// What the log says of links that services listen on.
#include "daemon/link_report.h"

#include <gtest/gtest.h>

namespace hairpin {
namespace {

Topology bearing(const std::vector<std::string>& eth0) {
    std::vector<Address> addresses;
    for (const std::string& ip : eth0) addresses.push_back({*Ip::parse(ip), 24, 2});
    return {{{2, "eth0"}}, std::move(addresses), {}};
}

std::string report(const Topology* before, const Topology& now) {
    Service service;
    service.listen_links = {{"eth0", {80, 80}}};
    std::string text;
    for (const Event& event : link_events({&service, 1}, before, now)) {
        text += (event.level == Event::Level::warning ? "warning: " : "") + event.message + "\n";
    }
    return text;
}

TEST(LinkReport, SaysAtTheStartOnlyWhatIsMissing) {
    EXPECT_EQ(report(nullptr, bearing({"1.0.0.1"})), "");
    EXPECT_EQ(report(nullptr, bearing({})),
              "warning: link eth0 has no address: what listens there is served as soon as it has one\n");
    EXPECT_EQ(report(nullptr, Topology()),
              "warning: link eth0 is not there, or down: what listens there is served as soon as it has an address\n");
}

TEST(LinkReport, SaysWhatIsLeftOut) {
    Service link;
    link.name = "link";
    link.listen_links = {{"eth0", {80, 80}}};
    Service fixed;
    fixed.name = "fixed";
    fixed.listen = {*EndpointRange::parse("1.0.0.1:80")};
    for (Service* service : {&link, &fixed}) service->backends = {{*EndpointRange::parse("10.0.0.2:80")}};
    const std::vector services = {link, fixed};
    const auto events = link_events(services, nullptr, bearing({"1.0.0.1"}));
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].message,
              "service link: left out: 1.0.0.1:80 overlaps 1.0.0.1:80 of service 'fixed'; change the address, the port "
              "or the protocol of one");
}

TEST(LinkReport, SaysWhatHasChanged) {
    const Topology one = bearing({"1.0.0.1"});
    const Topology two = bearing({"1.0.0.2", "2001:db8::2"});
    const Topology none = bearing({});
    EXPECT_EQ(report(&one, one), "");
    EXPECT_EQ(report(&one, two),
              "link eth0: what listens there is now served at 1.0.0.2, 2001:db8::2, no longer at 1.0.0.1\n");
    EXPECT_EQ(report(&two, bearing({"1.0.0.2"})),
              "link eth0: what listens there is now served at 1.0.0.2, no longer at 2001:db8::2\n");
    EXPECT_EQ(report(&none, one), "link eth0: what listens there is now served at 1.0.0.1\n");
    EXPECT_EQ(report(&one, none),
              "warning: link eth0 has no address: what listens there is served as soon as it has one\n");
    EXPECT_EQ(report(&none, none), "");
}

}  // namespace
}  // namespace hairpin
