#include "daemon/departures.h"

#include <gtest/gtest.h>

#include "support/fake_engine.h"
#include "unit/model/values.h"

namespace hairpin {
namespace {

using namespace std::chrono_literals;

const Departures::Time start{};
const ServiceBackend first{"web", range("10.0.0.2:80")};
using Names = std::vector<ServiceBackend>;

Service web(std::vector<std::string_view> backends, std::optional<std::chrono::milliseconds> drain_timeout = {}) {
    Service web = service("web", {"1.0.0.1:80"}, {});
    for (const std::string_view backend : backends) web.backends.push_back({range(backend)});
    web.drain_timeout = drain_timeout;
    web.connect_timeout = 3s;
    return web;
}

TEST(Departures, WhatAReloadRemovesIsDueAfterTheDrainTimeoutAndForWhatComesLate) {
    Departures departures;
    departures.follow({web({"10.0.0.2:80", "10.0.0.3:80"})}, {web({"10.0.0.3:80"}, 10s)}, {}, start);
    EXPECT_EQ(departures.due(start + 9s), Names{});
    EXPECT_EQ(departures.due(start + 10s), Names{first});
    EXPECT_EQ(departures.due(start + 14s), Names{first}) << "once at least after the last could have come";
    EXPECT_EQ(departures.due(start + 15s), Names{});
}

TEST(Departures, OfAServiceThatIsGoneGoByWhatItSaid) {
    Departures departures;
    departures.follow({web({"10.0.0.2:80"}, 1s)}, {}, {}, start);
    EXPECT_EQ(departures.due(start + 1s), Names{first});
}

TEST(Departures, WithoutADrainTimeoutNobodyIsDue) {
    Departures departures;
    departures.follow({web({"10.0.0.2:80", "10.0.0.3:80"})}, {web({"10.0.0.3:80"})}, {}, start);
    EXPECT_EQ(departures.due(start + 1h), Names{});
}

TEST(Departures, WhatComesBackInTimeStaysAndAnotherReloadGivesNoMoreTime) {
    Departures departures;
    departures.follow({web({"10.0.0.2:80"}, 10s)}, {web({"10.0.0.3:80"}, 10s)}, {}, start);
    departures.follow({web({"10.0.0.3:80"}, 10s)}, {web({"10.0.0.3:80"}, 10s)}, {}, start + 5s);
    EXPECT_EQ(departures.due(start + 10s), Names{first});
    departures.follow({web({"10.0.0.3:80"}, 10s)}, {web({"10.0.0.2:80", "10.0.0.3:80"}, 10s)}, {}, start + 11s);
    EXPECT_EQ(departures.due(start + 11s), Names{});
}

TEST(Departures, WhatIsDisabledIsDueAtOnceOrAfterTheDrainTimeout) {
    Departures departures;
    departures.follow(Duty::disabled, first, web({"10.0.0.2:80"}), start);
    EXPECT_EQ(departures.due(start), Names{first});
    departures.follow(Duty::ready, first, web({"10.0.0.2:80"}), start);
    EXPECT_EQ(departures.due(start), Names{});
    departures.follow(Duty::disabled, first, web({"10.0.0.2:80"}, 10s), start);
    EXPECT_EQ(departures.due(start + 9s), Names{});

    Administration administration;
    administration.carry_out(Order::disable, first);
    departures.follow({web({"10.0.0.2:80"}, 10s)}, {web({"10.0.0.2:80"}, 10s)}, administration, start + 9s);
    EXPECT_EQ(departures.due(start + 10s), Names{first}) << "a reload that keeps it does not enable it";
}

TEST(Departures, OfTheDaemonBeforeGoOnButForWhoIsConfiguredAgain) {
    const ServiceBackend second{"web", range("10.0.0.3:80")};
    const ServiceBackend third{"web", range("10.0.0.4:80")};
    const Departures before(
        {{first, {start + 1s, start + 5s}}, {second, {start + 1s, start + 5s}}, {third, {start + 1s, start + 5s}}});
    Administration administration;
    administration.carry_out(Order::disable, third);
    Departures departures;
    departures.go_on(before, {web({"10.0.0.3:80", "10.0.0.4:80"}, 10s)}, administration);
    EXPECT_EQ(departures.due(start), Names{});
    EXPECT_EQ(departures.due(start + 6s), (Names{first, third})) << "though it was over when nobody looked";
}

TEST(Departures, OfARetiredProcessAreThoseOfTheOneThatServes) {
    const ServiceBackend second{"web", range("10.0.0.3:80")};
    Departures retired({{first, {start + 1s, start + 5s}}});
    retired.heed(Departures({{first, {start + 1s, start + 5s}}, {second, {start + 2s, start + 6s}}}), {}, {}, start);
    EXPECT_EQ(retired.due(start + 1s), Names{first});
    retired.heed(Departures(), {}, {}, start + 1s);
    EXPECT_EQ(retired.due(start + 2s), Names{first}) << "it is too late for the one, not for the other";
}

// The order stood in the file while the retired process did not look.
TEST(Departures, OfARetiredProcessAreAllThatAreDisabledAndHaveNoTime) {
    const ServiceBackend second{"web", range("10.0.0.3:80")};
    Administration administration;
    administration.carry_out(Order::disable, first);
    administration.carry_out(Order::drain, second);
    const FlowCounts living{{{"web", endpoint("10.0.0.2:80")}, 1}, {{"web", endpoint("10.0.0.3:80")}, 1}};
    Departures retired;
    retired.heed(Departures(), administration, {}, start);
    EXPECT_TRUE(retired.empty()) << "nothing lives there";
    retired.heed(Departures({{first, {start + 1s, start + 5s}}}), administration, living, start);
    EXPECT_EQ(retired.due(start), Names{}) << "it has time";
    retired.heed(Departures(), administration, living, start);
    EXPECT_EQ(retired.due(start), Names{first});
}

TEST(Departures, LastUntilARetiredProcessHasSeenThem) {
    Service hasty = web({"10.0.0.2:80"});
    hasty.connect_timeout = 100ms;
    Departures departures;
    departures.follow(Duty::disabled, first, hasty, start);
    EXPECT_EQ(departures.due(start + 2s), Names{first});
}

TEST(Departures, EndWhatLivesThereAndNothingElse) {
    const auto flow = [](std::string service, std::string_view backend) {
        return LiveFlow{.service = std::move(service), .client = {}, .backend = {Protocol::tcp, {}, endpoint(backend)}};
    };
    FakeEngine engine;
    engine.told_flows = {flow("web", "10.0.0.2:80"), flow("web", "10.0.0.3:80"), flow("api", "10.0.0.2:80")};
    Departures departures;
    departures.leave(first, start, 3s);
    Events events;
    departures.end_due(engine, start, events);
    ASSERT_EQ(engine.told_flows.size(), 2u);
    EXPECT_EQ(engine.told_flows[0].backend.destination, endpoint("10.0.0.3:80"));
    EXPECT_EQ(engine.told_flows[1].service, "api");
}

}  // namespace
}  // namespace hairpin
