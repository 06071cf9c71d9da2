// Backends by name are what DNS said last.
#include "model/follow_names.h"

#include <gtest/gtest.h>

#include "model/as_written.h"
#include "unit/model/values.h"

namespace hairpin {
namespace {

Service named(std::vector<BackendName> names, std::vector<std::string_view> backends = {}) {
    Service made = service("app", {"1.0.0.1:80"}, std::move(backends));
    made.backend_names = std::move(names);
    return made;
}

const BackendName app{.name = "app.lan", .ports = PortRange{8080, 8080}, .weight = 3};
const BackendName servers{.name = "_http._tcp.lan", .ports = std::nullopt};

Answers addresses(std::vector<std::string_view> ips) {
    Answers answers;
    for (const auto text : ips) answers[app.question()].push_back({.host = "app.lan", .ip = ip(text)});
    return answers;
}

TEST(FollowNames, GivesEachAddressTheWeightOfTheName) {
    const auto now = follow_names({named({app}, {"10.0.0.9:8080"})}, addresses({"10.0.0.2", "fd00::2"}));
    EXPECT_EQ(
        now[0].backends,
        (std::vector<Backend>{{range("10.0.0.9:8080")}, {range("10.0.0.2:8080"), 3}, {range("[fd00::2]:8080"), 3}}));
    EXPECT_EQ(name_of(now[0], 0), nullptr);
    EXPECT_EQ(*name_of(now[0], 2), app);
}

TEST(FollowNames, ForgetsWhatTheyStoodForBefore) {
    auto now = follow_names({named({app})}, addresses({"10.0.0.2", "10.0.0.3"}));
    now = follow_names(std::move(now), addresses({"10.0.0.4"}));
    EXPECT_EQ(now[0].backends, (std::vector<Backend>{{range("10.0.0.4:8080"), 3}}));
    EXPECT_EQ(follow_names(now, addresses({"10.0.0.4"})), now);
    EXPECT_EQ(follow_names(now, {}), std::vector<Service>{named({app})});
}

TEST(FollowNames, TakesPortsWeightsAndBackupsFromSrvRecords) {
    const Answers answers = {
        {servers.question(),
         {{"a", ip("10.0.0.2"), 81, 10, 0}, {"b", ip("10.0.0.3"), 82, 10, 1000}, {"c", ip("10.0.0.4"), 83, 20, 5}}}};
    const auto now = follow_names({named({servers})}, answers);
    EXPECT_EQ(now[0].backends,
              (std::vector<Backend>{
                  {range("10.0.0.2:81"), 1}, {range("10.0.0.3:82"), 256}, {range("10.0.0.4:83"), 5, true}}));
}

TEST(FollowNames, LeavesOutWhatIsNoBackendHere) {
    const auto now = follow_names({named({app}, {"10.0.0.2:8080"})}, addresses({"10.0.0.2", "10.0.0.3", "224.0.0.1"}));
    const auto problems = validate(now);
    ASSERT_EQ(problems.size(), 2u);
    for (const Problem& problem : problems) {
        EXPECT_EQ(as_written(now[0], problem.place), (Place{0, Place::Key::backend_names, 0})) << problem.message;
    }
    const auto rest = without(now, problems);
    EXPECT_EQ(rest[0].backends, (std::vector<Backend>{{range("10.0.0.2:8080")}, {range("10.0.0.3:8080"), 3}}));
    EXPECT_EQ(*name_of(rest[0], 1), app);
}

TEST(FollowNames, KnowsWhatToAsk) {
    const std::vector<Service> services = {named({app, servers}), named({app})};
    EXPECT_EQ(questions(services), (std::set<Question>{{"app.lan", false}, {"_http._tcp.lan", true}}));
}

TEST(FollowNames, CanWriteThemOut) {
    const auto now = write_out({named({app, servers})}, addresses({"10.0.0.2"}));
    EXPECT_EQ(now[0].backends, (std::vector<Backend>{{range("10.0.0.2:8080"), 3}}));
    EXPECT_EQ(now[0].backend_names, std::vector<BackendName>{servers});
    EXPECT_TRUE(now[0].resolved.empty());
}

}  // namespace
}  // namespace hairpin
