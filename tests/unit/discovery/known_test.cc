// What an answer of DNS changes, and what it leaves.
#include "discovery/known.h"

#include <gtest/gtest.h>

namespace hairpin::discovery {
namespace {

using std::chrono::seconds;

Server at(std::string_view ip, std::string host = "app.lan") { return {.host = std::move(host), .ip = *Ip::parse(ip)}; }

Known knowing(std::vector<Server> servers) { return {.servers = std::move(servers), .trouble = {}, .asked = true}; }

TEST(Known, IsTheAnswerInOneOrder) {
    const Known one = after({}, {.servers = {at("10.0.0.3"), at("10.0.0.2"), at("10.0.0.3")}});
    EXPECT_EQ(one, knowing({at("10.0.0.2"), at("10.0.0.3")}));
    EXPECT_EQ(after(one, {.servers = {at("10.0.0.2"), at("10.0.0.3")}}), one);
}

TEST(Known, StaysWhereNobodyAnswers) {
    const Known before = knowing({at("10.0.0.2")});
    const Known now = after(before, {.heard = false, .reason = "no DNS server answers"});
    EXPECT_EQ(now.servers, before.servers);
    EXPECT_EQ(now.trouble, "no DNS server answers");
    EXPECT_EQ(after(now, {.heard = false, .reason = "no DNS server answers"}).failures, 2);
}

TEST(Known, StaysWhereTheNameIsGone) {
    const Known now = after(knowing({at("10.0.0.2")}), {.reason = "DNS knows no such name"});
    EXPECT_EQ(now.servers, std::vector<Server>{at("10.0.0.2")});
    EXPECT_EQ(now.trouble, "DNS knows no such name");
    EXPECT_EQ(after(now, {.servers = {at("10.0.0.4")}}), knowing({at("10.0.0.4")}));
}

TEST(Known, StaysForTheFamilyThatNobodyAnswersFor) {
    const Known before = knowing({at("10.0.0.2"), at("fd00::2")});
    Reply reply{.servers = {at("10.0.0.3")}, .unheard = {{"app.lan", Family::v6}}, .reason = "no DNS server answers"};
    const Known now = after(before, reply);
    EXPECT_EQ(now.servers, (std::vector<Server>{at("10.0.0.3"), at("fd00::2")}));
    EXPECT_EQ(now.trouble, "no DNS server answers");
}

// Servers that never answer for AAAA are common.
TEST(Known, IsGoodWhereNothingIsMissed) {
    const Reply reply{
        .servers = {at("10.0.0.3")}, .unheard = {{"app.lan", Family::v6}}, .reason = "no DNS server answers"};
    EXPECT_EQ(after(knowing({at("10.0.0.2")}), reply), knowing({at("10.0.0.3")}));
}

TEST(Known, ForgetsHostsThatAnSrvRecordNoLongerNames) {
    const Known before = knowing({at("10.0.0.2", "one.lan"), at("10.0.0.3", "two.lan")});
    const Reply reply{.servers = {at("10.0.0.4", "three.lan")}, .unheard = {{"two.lan", Family::v4}}, .reason = "x"};
    EXPECT_EQ(after(before, reply).servers,
              (std::vector<Server>{at("10.0.0.4", "three.lan"), at("10.0.0.3", "two.lan")}));
}

TEST(Known, IsAskedForAgainWhenItRunsOut) {
    EXPECT_EQ(until_next(knowing({}), seconds(0)), seconds(1));
    EXPECT_EQ(until_next(knowing({}), seconds(60)), seconds(60));
    EXPECT_EQ(until_next(knowing({}), seconds::max()), seconds(3600));
}

TEST(Known, IsAskedForSoonAfterAFailure) {
    Known failed = knowing({});
    std::vector<int64_t> pauses;
    for (failed.failures = 1; failed.failures < 6; ++failed.failures) {
        pauses.push_back(until_next(failed, seconds(3600)).count());
    }
    EXPECT_EQ(pauses, (std::vector<int64_t>{1, 2, 4, 5, 5}));
}

}  // namespace
}  // namespace hairpin::discovery
