// A running gateway is asked how it is: `hairpin status` and `services`, and the API over TCP.
//
//   client 1.0.0.100 ── 1.0.0.1 gateway 10.0.0.1 ──┬── switch ── server1 10.0.0.2   web, checked
//                                                  ╰── server2 10.0.0.3             web, checked, and db
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "support/binary.h"
#include "support/program.h"
#include "support/tcp.h"
#include "support/udp.h"

namespace hairpin {
namespace {

constexpr std::string_view yaml = R"(
api: {listen: "127.0.0.1:8053"}
services:
  web: {listen: "1.0.0.1:80", backends: ["10.0.0.2:80", "10.0.0.3:80"], health: {interval: 200ms, timeout: 200ms, fall: 2, rise: 1}}
  db: {listen: ["1.0.0.1:5432", "1.0.0.1:5433"], backends: "10.0.0.3:5432", protocol: both}
)";

using nlohmann::json;

class ApiOf : public testing::TestWithParam<std::string> {
protected:
    Outcome ask(std::vector<std::string> arguments) const {
        arguments.insert(arguments.begin(), hairpin_binary());
        arguments.insert(arguments.end(), {"--socket", lab_.socket()});
        return outcome_of(lab_->host("gateway"), arguments);
    }
    // The answer over TCP, and its status.
    std::string curl(const std::string& path, std::vector<std::string> options = {}) const {
        options.insert(options.begin(), {"curl", "-sS", "-w", " %{http_code}"});
        options.push_back("http://127.0.0.1:8053" + path);
        return output_of(lab_->host("gateway"), options);
    }

    const TestLab lab_{yaml, GetParam(), TestLab::Backends::none};
};

TEST_P(ApiOf, SaysWhatIsWrongAndWhenItIsNotAnyMore) {
    ASSERT_TRUE(lab_);
    const Fd first = listen_on(lab_->host("server1"), at("10.0.0.2:80"));
    Fd second = listen_on(lab_->host("server2"), at("10.0.0.3:80"));
    Outcome outcome;
    const auto becomes = [&](int status, std::string_view words) {
        return wait_for([&] {
            outcome = ask({"status"});
            return outcome.status == status && outcome.output.find(words) != std::string::npos;
        });
    };
    ASSERT_TRUE(becomes(0, "nothing is wrong")) << outcome.output;
    EXPECT_NE(outcome.output.find("2 services on 5 endpoints"), std::string::npos) << outcome.output;
    EXPECT_NE(outcome.output.find("engine " + GetParam()), std::string::npos) << outcome.output;

    second = Fd();
    EXPECT_TRUE(becomes(1, "service web: backend 10.0.0.3:80 is down: ")) << outcome.output;
    EXPECT_NE(outcome.output.find(" 1/2 "), std::string::npos) << outcome.output;
    second = listen_on(lab_->host("server2"), at("10.0.0.3:80"));
    EXPECT_TRUE(becomes(0, "nothing is wrong")) << outcome.output;

    EXPECT_FALSE(lab_.reload("services: {web: {listen: nonsense, backends: \"10.0.0.2:80\"}}"));
    EXPECT_TRUE(becomes(1, "was refused, and what was loaded before is served: ")) << outcome.output;
    const json status = json::parse(ask({"status", "--json"}).output);
    EXPECT_EQ(status.at("configuration").at("refused").at("reasons").size(), 1u) << status.dump();
    EXPECT_EQ(status.at("services"), 2);
    EXPECT_TRUE(lab_.reload(yaml));
    EXPECT_TRUE(becomes(0, "nothing is wrong")) << outcome.output;

    lab_.kill_daemon();
    outcome = ask({"status"});
    EXPECT_EQ(outcome.status, 2);
    EXPECT_EQ(outcome.output.find("hairpin status: no gateway answers at " + lab_.socket()), 0u) << outcome.output;
}

TEST_P(ApiOf, ListsServicesWithWhatTheyCounted) {
    ASSERT_TRUE(lab_);
    const Fd listener = listen_on(lab_->host("server2"), at("10.0.0.3:5432"));
    const Fd client = dial(lab_->host("client"), at("1.0.0.1:5432"));
    const Fd served = accept_from(listener);
    ASSERT_TRUE(served);
    json db;
    EXPECT_TRUE(wait_for([&] {
        db = json::parse(ask({"services", "--json"}).output).at("services").at(1);
        return db.at("active") == 1 && db.at("accepted") == 1;
    })) << db.dump();
    EXPECT_EQ(db.at("service"), "db");
    EXPECT_EQ(db.at("listen"), (json{"1.0.0.1:5432", "1.0.0.1:5433"}));
    EXPECT_EQ(db.at("balance"), "round_robin");
}

TEST_P(ApiOf, TellsBackendsApartInWhatItCounts) {
    ASSERT_TRUE(lab_);
    need_programs({"curl"});
    if (IsSkipped()) return;
    const Fd listener = listen_on(lab_->host("server2"), at("10.0.0.3:5432"));
    for (const char* client : {"client", "client", "peer"}) {
        const Meeting met = meet(lab_->host(client), at("1.0.0.1:5433"), {&listener});
        ASSERT_TRUE(met.conversation) << strerror(met.refused_with);
    }
    std::string metrics;
    const auto shows = [&](const std::string& name, const std::string& path, const std::string& value) {
        const std::string sample =
            name + R"({service="db",backend="10.0.0.3:5432",path=")" + path + "\"} " + value + "\n";
        return wait_for([&] { return (metrics = curl("/metrics")).find(sample) != std::string::npos; });
    };
    EXPECT_TRUE(shows("hairpin_backend_flows_accepted_total", "external", "2")) << metrics;
    EXPECT_TRUE(shows("hairpin_backend_flows_accepted_total", "peer", "1")) << metrics;
    if (GetParam() == "proxy") {  // the others do not see when a backend accepts
        EXPECT_TRUE(shows("hairpin_backend_connect_duration_seconds_count", "external", "2")) << metrics;
        EXPECT_TRUE(shows("hairpin_backend_connect_duration_seconds_count", "peer", "1")) << metrics;
        return;
    }
    EXPECT_EQ(metrics.find("hairpin_backend_connect_duration_seconds"), std::string::npos);
    lab_.kill_daemon();
    lab_.start_daemon();
    EXPECT_TRUE(shows("hairpin_backend_flows_accepted_total", "external", "2"))
        << "the kernel's count goes on; " << metrics;
}

TEST_P(ApiOf, ExplainsAFlowAsItWouldBeServedNow) {
    ASSERT_TRUE(lab_);
    const Fd first = listen_on(lab_->host("server1"), at("10.0.0.2:80"));
    std::string said;
    const auto explained = [&](std::string_view words) {
        return wait_for([&] {
            const Outcome outcome = ask({"explain", "10.0.0.50", "1.0.0.1:80", "--running"});
            EXPECT_EQ(outcome.status, 0) << outcome.output;
            said = outcome.output;
            return said.find(words) != std::string::npos;
        });
    };
    EXPECT_TRUE(explained("backend 10.0.0.3:80 takes no new flows: down")) << said;
    EXPECT_NE(said.find("path      peer"), std::string::npos) << said;
    EXPECT_NE(said.find(GetParam() + std::string(10 - GetParam().size(), ' ') + "source external"), std::string::npos)
        << said;
    EXPECT_EQ(said.find("\nbackend 10.0.0.3:80"), std::string::npos) << said;
    const Fd second = listen_on(lab_->host("server2"), at("10.0.0.3:80"));
    EXPECT_TRUE(explained("\nbackend 10.0.0.3:80")) << said;
    EXPECT_EQ(said.find("takes no new flows"), std::string::npos) << said;

    const json db =
        json::parse(ask({"explain", "1.0.0.100", "1.0.0.1:5433", "--running", "--protocol", "udp", "--json"}).output);
    EXPECT_EQ(db.at("service").at("name"), "db");
    EXPECT_EQ(db.at("protocol"), "udp");
    const json& legs = db.at("backends").at(0).at("engines").at(0).at("legs");
    EXPECT_EQ(legs.at(1).at("destination"), "10.0.0.3:5432") << legs.dump();
    const Outcome nobody = ask({"explain", "1.0.0.100", "1.0.0.1:81", "--running"});
    EXPECT_NE(nobody.output.find("no service listens there"), std::string::npos) << nobody.output;
}

TEST_P(ApiOf, ShowsWhatMovesUntilCtrlC) {
    ASSERT_TRUE(lab_);
    const Outcome piped = ask({"top"});
    EXPECT_EQ(piped.status, 0) << piped.output;
    EXPECT_EQ(piped.output.find("service   up  active  new/s"), 0u) << piped.output;
    EXPECT_EQ(std::ranges::count(piped.output, '\n'), 3) << piped.output;

    const Outcome for_programs = ask({"top", "--json"});
    const auto rates = json::parse(for_programs.output, nullptr, false);
    ASSERT_TRUE(rates.contains("services")) << for_programs.output;
    EXPECT_EQ(rates.at("services").size(), 2u);
    EXPECT_GE(rates.at("seconds").get<double>(), 1.0);

    const TemporaryFile pid("");
    const std::string top = hairpin_binary() + " top --socket " + lab_.socket();
    const auto on_terminal = lab::Process::start(
        lab_->host("gateway"),
        {"env", "SHELL=/bin/sh", "script", "-qefc", "echo $$ > " + pid.path() + "; exec " + top, "/dev/null"});
    ASSERT_TRUE(on_terminal);
    const auto shown = [&] { return (*on_terminal)->output(); };
    ASSERT_TRUE((*on_terminal)->wait_for_output("service   up  active  new/s", patience)) << shown();
    EXPECT_EQ(shown().find("\x1b[?1049h"), 0u) << shown();
    pid_t ctrl_c_is_for = 0;
    std::ifstream(pid.path()) >> ctrl_c_is_for;
    ASSERT_GT(ctrl_c_is_for, 0);
    ASSERT_EQ(kill(ctrl_c_is_for, SIGINT), 0);
    ASSERT_TRUE((*on_terminal)->wait(patience)) << shown();
    EXPECT_TRUE(shown().ends_with("\x1b[?25h\x1b[?1049l")) << shown();
}

TEST_P(ApiOf, IsReadOverTcpAndChangedByNobodyThere) {
    ASSERT_TRUE(lab_);
    need_programs({"curl"});
    if (IsSkipped()) return;
    EXPECT_TRUE(curl("/v1/services").ends_with("} 200")) << curl("/v1/services");
    EXPECT_EQ(curl("/v1/flows"),
              R"({"error":"over TCP nobody is told who talks to whom: ask on the Unix socket"} 403)");
    EXPECT_EQ(curl("/v1/flows", {"-X", "POST", "-d", "{}"}),
              R"({"error":"over TCP nothing can be changed: ask on the Unix socket"} 403)");
    EXPECT_EQ(curl("/v1/services", {"-H", "Host: rebound.example"}),
              R"({"error":"ask for localhost or a loopback address: 'rebound.example' is none"} 403)");
}

// Another user, of one group alone.
Outcome status_for(const TestLab& lab, const char* group) {
    return outcome_of(lab->host("gateway"), {"setpriv", "--reuid", "65534", "--clear-groups", "--regid", group,
                                             hairpin_binary(), "status", "--socket", lab.socket()});
}

TEST(ApiSocketOfAGroup, IsForItsMembersAndForNobodyElse) {
    if (geteuid() != 0) {
        EXPECT_FALSE(std::getenv("CI")) << "in CI this test must run";
        GTEST_SKIP() << "only root can be another user";
    }
    const TestLab lab("api: {group: daemon}\nservices: {db: {listen: 1.0.0.1:5432, backends: 10.0.0.3:5432}}\n");
    ASSERT_TRUE(lab);
    const Outcome member = status_for(lab, "daemon");
    EXPECT_EQ(member.status, 0) << member.output;
    EXPECT_NE(member.output.find("nothing is wrong"), std::string::npos) << member.output;
    const Outcome stranger = status_for(lab, "nogroup");
    EXPECT_EQ(stranger.status, 2) << stranger.output;
    EXPECT_EQ(stranger.output.find("hairpin status: no gateway answers at " + lab.socket()), 0u) << stranger.output;
    EXPECT_NE(stranger.output.find("only root and its group may ask it"), std::string::npos) << stranger.output;
}

INSTANTIATE_TEST_SUITE_P(Every, ApiOf, testing::ValuesIn(engine_names()), [](const auto& test) { return test.param; });

}  // namespace
}  // namespace hairpin
