// Which backends new flows go to, while some are down.
#include "model/in_service.h"

#include <gtest/gtest.h>

#include "unit/model/values.h"

namespace hairpin {
namespace {

Service web(WhenNone when_none = WhenNone::all, uint32_t panic_threshold = 0) {
    Service made = service("web", {"1.0.0.1:80"}, {"10.0.0.2:80", "10.0.0.3:80", "10.0.0.4:80", "10.0.0.5:80"});
    HealthCheck check;
    check.when_none = when_none;
    check.panic_threshold = panic_threshold;
    made.health = check;
    return made;
}

// Those that serve, by the last digit of their addresses, while the others of `up` are down.
std::string serving(const Service& service, std::string_view up) {
    std::string digits;
    const auto digit = [](const Backend& backend) { return backend.endpoint.ip.str().back(); };
    for (const Backend& backend : in_service(
             service, [&](const Service&, const Backend& candidate) { return up.find(digit(candidate)) != up.npos; })) {
        digits += digit(backend);
    }
    return digits;
}

TEST(InService, AreThoseThatAreUp) {
    EXPECT_EQ(serving(web(), "2345"), "2345");
    EXPECT_EQ(serving(web(), "53"), "35");
    EXPECT_EQ(serving(web(), "4"), "4");
}

TEST(InService, AreAllOrNoneWhereNoneIsUp) {
    EXPECT_EQ(serving(web(WhenNone::all), ""), "2345");
    EXPECT_EQ(serving(web(WhenNone::refuse), ""), "");
}

TEST(InService, ThePanicThresholdMakesFewAsGoodAsNone) {
    EXPECT_EQ(serving(web(WhenNone::all, 50), "23"), "23") << "half is not less than half";
    EXPECT_EQ(serving(web(WhenNone::all, 51), "23"), "2345");
    EXPECT_EQ(serving(web(WhenNone::refuse, 51), "23"), "");
    EXPECT_EQ(serving(web(WhenNone::refuse, 100), "2345"), "2345");
}

TEST(InService, WeightZeroIsNoHelp) {
    Service resting = web(WhenNone::all);
    for (size_t i = 1; i < resting.backends.size(); ++i) resting.backends[i].weight = 0;
    EXPECT_EQ(serving(resting, "345"), "2345") << "nobody who takes new flows is up";
    EXPECT_EQ(serving(resting, "2"), "2");
}

TEST(InService, AreAllOfAServiceWithoutChecks) {
    Service unchecked = web();
    unchecked.health = {};
    EXPECT_EQ(serving(unchecked, ""), "2345");
    EXPECT_FALSE(panics(unchecked, [](const Service&, const Backend&) { return false; }));
}

// 10.0.0.4 and 10.0.0.5 are backups.
Service with_backups(WhenNone when_none = WhenNone::all, uint32_t panic_threshold = 0) {
    Service made = web(when_none, panic_threshold);
    made.backends[2].backup = made.backends[3].backup = true;
    return made;
}

TEST(InService, LetsBackupsRestWhileAnotherOneIsUp) {
    EXPECT_EQ(serving(with_backups(), "2345"), "23");
    EXPECT_EQ(serving(with_backups(), "345"), "3");
    EXPECT_EQ(serving(with_backups(), "45"), "45");
    EXPECT_EQ(serving(with_backups(), "5"), "5");
}

TEST(InService, LetsBackupsRestInAPanic) {
    EXPECT_EQ(serving(with_backups(), ""), "23");
    EXPECT_EQ(serving(with_backups(WhenNone::refuse), ""), "");
    EXPECT_EQ(serving(with_backups(WhenNone::all, 60), "345"), "23") << "backups do not count";
    EXPECT_EQ(serving(with_backups(WhenNone::all, 60), "5"), "5") << "one is better than none";
}

TEST(InService, LetsBackupsServeWhereTheOthersTakeNoNewFlows) {
    Service drained = with_backups();
    drained.backends[0].weight = drained.backends[1].weight = 0;
    EXPECT_EQ(serving(drained, "2345"), "2345");
    drained.health = {};
    EXPECT_EQ(serving(drained, ""), "2345");
}

TEST(InService, LetsBackupsRestWithoutChecks) {
    Service unchecked = with_backups();
    unchecked.health = {};
    EXPECT_EQ(serving(unchecked, ""), "23");
    EXPECT_EQ(with_all_up({with_backups()})[0].backends.size(), 2u);
}

}  // namespace
}  // namespace hairpin
