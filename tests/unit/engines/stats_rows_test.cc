#include "engines/nft/stats_rows.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace hairpin::nft {
namespace {

Service service(std::string name, const std::string& listen) {
    Service made;
    made.name = std::move(name);
    made.listen = {*EndpointRange::parse(listen)};
    made.backends = {{*EndpointRange::parse("10.0.0.2:80")}};
    return made;
}

Desired desired(std::vector<Service> services) { return {Ruleset(std::move(services)), Topology()}; }

TEST(StatsRows, AreThoseOfTheServicesThenOfThoseThatWentAndLive) {
    const Desired now = desired({service("b", "1.0.0.1:2"), service("a", "1.0.0.1:1")});
    const Desired before = desired({service("c", "1.0.0.1:3"), service("d", "1.0.0.1:4"), service("a", "1.0.0.1:5")});
    StatsRows rows(now, &before);
    ++rows.find(Protocol::tcp, *Endpoint::parse("1.0.0.1:1"))->active;
    ++rows.find(Protocol::tcp, *Endpoint::parse("1.0.0.1:4"))->active;
    ++rows.find(Protocol::tcp, *Endpoint::parse("1.0.0.1:5"))->active;              // it listened there before
    rows.find(Protocol::tcp, *Endpoint::parse("1.0.0.1:3"))->bytes_to_clients = 1;  // and all of its flows have ended
    EXPECT_EQ(rows.find(Protocol::tcp, *Endpoint::parse("1.0.0.1:6")), nullptr);
    EXPECT_EQ(rows.find(Protocol::udp, *Endpoint::parse("1.0.0.1:1")), nullptr);

    const Stats stats = rows.take();
    ASSERT_EQ(stats.services.size(), 3u);
    EXPECT_EQ(stats.services[0].service, "b");
    EXPECT_EQ(stats.services[1].service, "a");
    EXPECT_EQ(stats.services[1].active, 2u);
    EXPECT_EQ(stats.services[2].service, "d");
    EXPECT_EQ(stats.services[2].active, 1u);
}

TEST(StatsRows, RememberServicesThatWentLongAgoButForEndpointsThatOthersHaveHadSince) {
    const Desired now = desired({service("now", "1.0.0.1:1")});
    const Desired earlier = desired({service("kept", "1.0.0.1:4"), service("old1", "1.0.0.1:1"),
                                     service("old2", "1.0.0.1:2"), service("range", "1.0.0.1:90-110")});
    EXPECT_EQ(remember({}, Topology(), nullptr, now.ruleset).ruleset.services().size(), 0u);

    const std::vector<Service> gone = {service("new2", "1.0.0.1:2"), service("new100", "1.0.0.1:100")};
    const Desired former = remember(gone, Topology(), &earlier, now.ruleset);
    const auto name_at = [&](const char* asked) {
        const Service* found = service_asked(now, &former, Protocol::tcp, *Endpoint::parse(asked));
        return found ? found->name : "";
    };
    EXPECT_EQ(name_at("1.0.0.1:1"), "now");
    EXPECT_EQ(name_at("1.0.0.1:2"), "new2");
    EXPECT_EQ(name_at("1.0.0.1:4"), "kept");
    EXPECT_EQ(name_at("1.0.0.1:100"), "new100");
    EXPECT_EQ(name_at("1.0.0.1:95"), "") << "ranges of a ruleset never overlap";
}

// A gateway with 100,000 services took 40 s of counting to stop.
TEST(StatsRows, AreFoundAtOnceAmong100000ThatWent) {
    constexpr size_t number = 100'000;
    const auto endpoint = [](size_t i) { return fmt::format("1.0.{}.1:{}", i / 1000, 1 + i % 1000); };
    std::vector<Service> services;
    for (size_t i = 0; i < number; ++i) services.push_back(service(fmt::format("s{}", i), endpoint(i)));
    const Desired now;
    const Desired before = desired(std::move(services));
    StatsRows rows(now, &before);
    for (size_t i = 0; i < number; ++i) ++rows.find(Protocol::tcp, *Endpoint::parse(endpoint(i)))->active;
    EXPECT_EQ(rows.take().services.size(), number);
}

}  // namespace
}  // namespace hairpin::nft
