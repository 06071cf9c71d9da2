// desired = configuration x administration x health x topology.
#include "daemon/desired.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "unit/model/values.h"

namespace hairpin {
namespace {

std::shared_ptr<const Desired> configured(WhenNone when_none = WhenNone::all) {
    Service web = service("web", {"1.0.0.1:80"}, {"10.0.0.2:80", "10.0.0.3:80"});
    HealthCheck check;
    check.when_none = when_none;
    web.health = check;
    const Service dns = service("dns", {"1.0.0.1:53"}, {"10.0.0.2:53"}, Protocols::udp);
    return std::make_shared<const Desired>(Desired{Ruleset({web, dns}), two_legged().topology()});
}

IsUp all_but(std::vector<std::string_view> down) {
    return [down](const Service&, const Backend& backend) {
        return std::ranges::count(down, backend.endpoint.str()) == 0;
    };
}

TEST(MakeDesired, IsWhatIsConfiguredWhileAllAreUp) {
    const auto all = configured();
    EXPECT_EQ(make_desired(all, all_but({}), {}), all);
}

TEST(MakeDesired, LeavesOutABackendThatIsDown) {
    const auto all = configured();
    const auto desired = make_desired(all, all_but({"10.0.0.2:80"}), {});
    const auto& services = desired->ruleset.services();
    ASSERT_EQ(services.size(), 2u);
    EXPECT_EQ(services[0].backends, (std::vector<Backend>{{range("10.0.0.3:80")}}));
    EXPECT_EQ(services[0].health, all->ruleset.services()[0].health);
    EXPECT_EQ(services[1], all->ruleset.services()[1]);
    EXPECT_EQ(desired->topology, all->topology);
    EXPECT_EQ(all->ruleset.services()[0].backends.size(), 2u) << "what is configured stays";
}

TEST(MakeDesired, KeepsAllOrNoneWhereNoneIsUp) {
    const auto all = configured(WhenNone::all);
    EXPECT_EQ(make_desired(all, all_but({"10.0.0.2:80", "10.0.0.3:80"}), {}), all);
    const auto none = make_desired(configured(WhenNone::refuse), all_but({"10.0.0.2:80", "10.0.0.3:80"}), {});
    EXPECT_TRUE(none->ruleset.services()[0].backends.empty());
    EXPECT_TRUE(none->ruleset.find(Protocol::tcp, endpoint("1.0.0.1:80"))) << "the endpoint is still the service's";
}

TEST(MakeDesired, AsksNothingOfAServiceWithoutChecks) {
    const auto all = configured();
    EXPECT_EQ(make_desired(all, all_but({"10.0.0.2:53"}), {}), all);
}

Administration taken_out(Order order, std::vector<ServiceBackend> names) {
    Administration administration;
    for (const ServiceBackend& name : names) administration.carry_out(order, name);
    return administration;
}

TEST(MakeDesired, LeavesOutWhatAnOperatorHasTakenOutOfAnyService) {
    const auto all = configured();
    for (const Order order : {Order::drain, Order::disable}) {
        const auto desired = make_desired(all, all_but({}), taken_out(order, {{"web", range("10.0.0.2:80")}}));
        EXPECT_EQ(desired->ruleset.services()[0].backends, (std::vector<Backend>{{range("10.0.0.3:80")}}));
        EXPECT_EQ(desired->ruleset.services()[1], all->ruleset.services()[1]);
    }
    const auto unchecked = make_desired(all, all_but({}), taken_out(Order::drain, {{"dns", range("10.0.0.2:53")}}));
    EXPECT_TRUE(unchecked->ruleset.services()[1].backends.empty()) << "nobody is left, so new flows are refused";
}

TEST(MakeDesired, BringsBackTheOthersAloneWhereNoneIsUp) {
    const auto administration = taken_out(Order::disable, {{"web", range("10.0.0.2:80")}});
    const auto all = make_desired(configured(WhenNone::all), all_but({"10.0.0.3:80"}), administration);
    EXPECT_EQ(all->ruleset.services()[0].backends, (std::vector<Backend>{{range("10.0.0.3:80")}}));
    const auto none = make_desired(configured(WhenNone::refuse), all_but({"10.0.0.3:80"}), administration);
    EXPECT_TRUE(none->ruleset.services()[0].backends.empty());
}

}  // namespace
}  // namespace hairpin
