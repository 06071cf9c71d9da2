// What keeps a service from its clients is known to `hairpin status` for as long as it lasts.
//
//   client 1.0.0.100 ── 1.0.0.1, 2001:db8::1 gateway 10.0.0.1 ── server1 10.0.0.2
#include <gtest/gtest.h>

#include <csignal>

#include "support/binary.h"
#include "support/program.h"
#include "support/tcp.h"
#include "support/udp.h"

namespace hairpin {
namespace {

constexpr std::string_view yaml =
    "services: {web: {listen: [\"1.0.0.1:80\", \"[2001:db8::1]:80\"], backends: [\"10.0.0.2:80\", "
    "\"[fd00::2]:80\"]}}\n";
constexpr std::string_view one_family =
    "services: {web: {listen: [\"1.0.0.1:80\", \"[2001:db8::1]:80\"], backends: \"10.0.0.2:80\"}}\n";

class StatusOf : public testing::TestWithParam<std::string> {
protected:
    void SetUp() override {
        ASSERT_TRUE(lab_);
        ASSERT_TRUE(becomes(0, "nothing is wrong")) << last_.output;
    }

    Outcome ask(std::vector<std::string> arguments) const {
        arguments.insert(arguments.begin(), hairpin_binary());
        arguments.insert(arguments.end(), {"--socket", lab_.socket()});
        return outcome_of(lab_->host("gateway"), arguments);
    }
    // What `status` says, sooner or later.
    bool becomes(int status, std::string_view words) {
        return wait_for([&] {
            last_ = ask({"status"});
            return last_.status == status && last_.output.find(words) != std::string::npos;
        });
    }
    static bool says(const Outcome& outcome, std::string_view words) {
        return outcome.output.find(words) != std::string::npos;
    }

    const TestLab lab_{yaml, GetParam(), TestLab::Backends::none};
    Outcome last_;
};

TEST_P(StatusOf, SaysWhichSettingsNeedARestart) {
    lab_.rewrite("threads: 3\nsysctls: set\n" + std::string(yaml));
    const Outcome reloaded = ask({"reload"});
    EXPECT_EQ(reloaded.status, 0);
    constexpr std::string_view needed = "the change of threads and sysctls needs a restart";
    EXPECT_TRUE(says(reloaded, needed)) << reloaded.output;
    EXPECT_TRUE(becomes(1, needed)) << last_.output;
    EXPECT_TRUE(lab_.reload(yaml));
    EXPECT_TRUE(becomes(0, "nothing is wrong")) << last_.output;
}

TEST_P(StatusOf, SaysThatNothingNewIsServedWhileItStops) {
    const Fd server = listen_on(lab_->host("server1"), at("10.0.0.2:80"));
    const Meeting meeting = meet(lab_->host("client"), at("1.0.0.1:80"), {&server});
    ASSERT_TRUE(meeting.conversation);
    lab_->daemon().signal(SIGTERM);
    EXPECT_TRUE(becomes(1, "the gateway is being stopped: no new connections; 1 live one may finish")) << last_.output;
    lab_->daemon().signal(SIGTERM);  // at once
    EXPECT_TRUE(lab_->daemon().wait(patience));
}

TEST_P(StatusOf, SaysThatNoRouteLeadsToABackend) {
    command(lab_->host("gateway"), "ip address del 10.0.0.1/24 dev int");
    EXPECT_TRUE(becomes(1, "service web: the gateway has no route to backend 10.0.0.2:80: add one")) << last_.output;
    command(lab_->host("gateway"), "ip address add 10.0.0.1/24 dev int");
    EXPECT_TRUE(becomes(0, "nothing is wrong")) << last_.output;
}

TEST_P(StatusOf, SaysThatAnEndpointIsLedToNobody) {
    const bool joins = abilities_of(GetParam()).cross_family;
    lab_.rewrite(one_family);
    constexpr std::string_view closed = "service web: [2001:db8::1]:80 is not led to 10.0.0.2:80";
    EXPECT_EQ(says(ask({"reload"}), closed), !joins);
    EXPECT_TRUE(becomes(joins ? 0 : 1, joins ? "nothing is wrong" : closed)) << last_.output;
    EXPECT_TRUE(lab_.reload(yaml));
    EXPECT_TRUE(becomes(0, "nothing is wrong")) << last_.output;
}

TEST_P(StatusOf, IsToldByWhoTakesTheLastBackendOut) {
    const bool joins = abilities_of(GetParam()).cross_family;
    const Outcome first = ask({"drain", "10.0.0.2"});
    EXPECT_EQ(says(first, "service web: 1.0.0.1:80 is led to nobody"), !joins) << first.output;
    EXPECT_EQ(says(first, "problem"), !joins) << first.output;
    const Outcome last = ask({"drain", "fd00::2"});
    EXPECT_EQ(last.status, 0);
    EXPECT_TRUE(says(last, "service web: all its backends are taken out: new flows are refused")) << last.output;
    EXPECT_EQ(says(ask({"undrain", "fd00::2"}), "problem"), !joins);
    EXPECT_FALSE(says(ask({"undrain", "10.0.0.2"}), "problem"));
}

INSTANTIATE_TEST_SUITE_P(Every, StatusOf, testing::ValuesIn(engine_names()),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace hairpin
