// `hairpin reload`: a running gateway reads its file again, and whoever asked hears what became of it.
//
//   client 1.0.0.100 ── 1.0.0.1 gateway 10.0.0.1 ── server1 10.0.0.2
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "support/binary.h"
#include "support/program.h"
#include "support/tcp.h"
#include "support/udp.h"

namespace hairpin {
namespace {

using nlohmann::json;

constexpr std::string_view one = "services:\n  one: {listen: 1.0.0.1:1234, backends: 10.0.0.2:12345}\n";
constexpr std::string_view two =
    "services:\n  one: {listen: 1.0.0.1:1234, backends: 10.0.0.2:12345}\n"
    "  two: {listen: 1.0.0.1:1235, backends: 10.0.0.2:12345}\n";
constexpr std::string_view wrong =
    "services:\n  one: {listen: 1.0.0.1:1234, backends: 10.0.0.2:12345, blance: maglev}\n"
    "  two: {listen: 1.0.0.1:99999, backends: 10.0.0.2:12345}\n";

class HairpinReload : public testing::TestWithParam<std::string> {
protected:
    Outcome reload(std::vector<std::string> options = {}) const {
        options.insert(options.begin(), {hairpin_binary(), "reload", "--socket", lab_.socket()});
        return outcome_of(lab_->host("gateway"), options);
    }
    bool answers(std::string_view endpoint) const {
        const Meeting meeting = meet(lab_->host("client"), at(endpoint), {&server_});
        return meeting.conversation && meeting.conversation->alive();
    }

    const TestLab lab_{one, GetParam(), TestLab::Backends::none};
    const Fd server_ = lab_ ? listen_on(lab_->host("server1"), at("10.0.0.2:12345")) : Fd();
};

TEST_P(HairpinReload, ServesTheFileWhenItReturns) {
    ASSERT_TRUE(lab_);
    EXPECT_FALSE(answers("1.0.0.1:1235"));
    lab_.rewrite(two);
    const Outcome outcome = reload();
    EXPECT_EQ(outcome.status, 0) << outcome.output;
    EXPECT_EQ(outcome.output, "reloaded: 2 services on 2 endpoints\n");
    EXPECT_TRUE(answers("1.0.0.1:1235"));
    EXPECT_NE(lab_->daemon_log().find("API: POST /v1/reload, by uid "), std::string::npos) << lab_->daemon_log();

    lab_.rewrite(one);
    EXPECT_EQ(json::parse(reload({"--json"}).output), (json{{"serving", "1 service on 1 endpoint"}}));
    EXPECT_FALSE(answers("1.0.0.1:1235"));
}

TEST_P(HairpinReload, NamesEveryMistakeAtItsPlaceAndChangesNothing) {
    ASSERT_TRUE(lab_);
    lab_.rewrite(wrong);
    const Outcome outcome = reload();
    EXPECT_EQ(outcome.status, 2);
    EXPECT_NE(outcome.output.find("nothing has changed: still serving 1 service on 1 endpoint"), std::string::npos)
        << outcome.output;
    for (const std::string_view reason : {":2:57: unknown key 'blance'", ":3:17: "}) {
        EXPECT_NE(outcome.output.find(reason), std::string::npos) << reason << "\n" << outcome.output;
    }
    EXPECT_TRUE(answers("1.0.0.1:1234"));

    const Outcome for_programs = reload({"--json"});
    EXPECT_EQ(for_programs.status, 2);
    EXPECT_EQ(json::parse(for_programs.output).at("errors").size(), 2u) << for_programs.output;
}

INSTANTIATE_TEST_SUITE_P(Every, HairpinReload, testing::ValuesIn(engine_names()),
                         [](const auto& engine) { return engine.param; });

}  // namespace
}  // namespace hairpin
