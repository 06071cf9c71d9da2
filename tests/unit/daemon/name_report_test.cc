// What the log says of names of backends.
#include "daemon/name_report.h"

#include <gtest/gtest.h>

namespace hairpin {
namespace {

using discovery::Known;

const Question app{"app.lan", false};

Known at(std::vector<std::string_view> ips, std::string trouble = "") {
    Known known{.servers = {}, .trouble = std::move(trouble), .asked = true};
    for (const auto ip : ips) known.servers.push_back({.host = "app.lan", .ip = *Ip::parse(ip)});
    return known;
}

std::string report(const std::map<Question, Known>& before, const Known& now) {
    std::string text;
    for (const Event& event : name_events(before, {{app, now}})) {
        text += (event.level == Event::Level::warning ? "warning: " : "") + event.message + "\n";
    }
    return text;
}

TEST(NameReport, SaysWhatANameStandsFor) {
    EXPECT_EQ(report({}, at({"10.0.0.2", "fd00::2"})), "the name app.lan stands for 10.0.0.2, fd00::2\n");
    EXPECT_EQ(report({{app, at({"10.0.0.2"})}}, at({"10.0.0.3"})), "the name app.lan stands for 10.0.0.3\n");
    EXPECT_EQ(report({{app, at({"10.0.0.2"})}}, at({"10.0.0.2"})), "");
}

TEST(NameReport, SaysOnceThatItCannotBeResolved) {
    const std::string lost = "warning: the name app.lan cannot be resolved: x; its last answer counts\n";
    EXPECT_EQ(report({{app, at({"10.0.0.2"})}}, at({"10.0.0.2"}, "x")), lost);
    EXPECT_EQ(report({{app, at({"10.0.0.2"}, "x")}}, at({"10.0.0.2"}, "x")), "");
    EXPECT_EQ(report({{app, at({"10.0.0.2"}, "x")}}, at({"10.0.0.2"})), "the name app.lan stands for 10.0.0.2\n");
    EXPECT_EQ(report({}, at({}, "x")),
              "warning: the name app.lan cannot be resolved: x; it has no backend until it can\n");
}

TEST(NameReport, SaysOnceThatNobodyHasAnsweredYet) {
    EXPECT_EQ(
        report({}, {}),
        "warning: the name app.lan cannot be resolved: no DNS server has answered yet; it has no backend until it "
        "can\n");
    EXPECT_EQ(report({{app, {}}}, {}), "");
    EXPECT_EQ(report({{app, {}}}, at({"10.0.0.2"})), "the name app.lan stands for 10.0.0.2\n");
}

}  // namespace
}  // namespace hairpin
