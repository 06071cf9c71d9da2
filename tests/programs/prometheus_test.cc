// Prometheus on the gateway scrapes it over a loopback port, and promtool judges the names of what it reads.
//
//   client 1.0.0.100 ── 1.0.0.1 gateway 10.0.0.1, Prometheus ── switch ── server1 10.0.0.2
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/program.h"
#include "support/tcp.h"
#include "support/udp.h"

namespace hairpin {
namespace {

constexpr std::string_view yaml = R"(
api: {listen: "127.0.0.1:8053"}
services:
  web: {listen: "1.0.0.1:80", backends: ["10.0.0.2:80", "10.0.0.3:80"], health: {interval: 200ms, timeout: 200ms, fall: 1}}
)";

constexpr std::string_view scrape = R"(
scrape_configs:
  - job_name: hairpin
    scrape_interval: 1s
    scrape_timeout: 1s
    static_configs: [{targets: ["127.0.0.1:8053"]}]
)";

class Prometheus : public testing::TestWithParam<std::string> {
protected:
    void SetUp() override {
        need_programs({"prometheus", "promtool", "curl"});
        if (IsSkipped() || HasFatalFailure()) return;
        lab_ = std::make_unique<TestLab>(yaml, GetParam(), TestLab::Backends::none);
        ASSERT_TRUE(*lab_);
        listener_ = listen_on((*lab_)->host("server1"), at("10.0.0.2:80"));
        // The other one is down; and so was this one, should it have been asked before it listened.
        ASSERT_TRUE(wait_for([this] { return is_served_by(listener_); })) << (*lab_)->daemon_log();
    }
    bool is_served_by(const Fd& backend) const {
        for (int i = 0; i < 2; ++i) {  // in turn
            if (!meet((*lab_)->host("client"), at("1.0.0.1:80"), {&backend}).conversation) return false;
        }
        return true;
    }

    std::unique_ptr<TestLab> lab_;
    Fd listener_;
};

// Asked when there is something to tell: a client has been served, and a check has passed.
TEST_P(Prometheus, FindsNothingWrongWithTheMetrics) {
    std::string told;
    const auto tells = [&](std::string_view metric) {
        return wait_for([&] {
            told = output_of((*lab_)->host("gateway"), {"curl", "-sSf", "http://127.0.0.1:8053/metrics"});
            return told.find(metric) != std::string::npos;
        });
    };
    EXPECT_TRUE(tells("\nhairpin_backend_check_duration_seconds{")) << told;
    EXPECT_TRUE(tells("\nhairpin_backend_flows_accepted_total{")) << told;
    if (GetParam() == "proxy") {
        EXPECT_TRUE(tells("\nhairpin_backend_connect_duration_seconds_bucket{")) << told;
    }
    const TemporaryFile metrics(told);
    const std::string verdict =
        output_of((*lab_)->host("gateway"), {"sh", "-c", path_of("promtool") + " check metrics <" + metrics.path()});
    EXPECT_EQ(verdict, "");
}

TEST_P(Prometheus, ScrapesWhatTheGatewayCounts) {
    const Fd client = dial((*lab_)->host("client"), at("1.0.0.1:80"));
    ASSERT_TRUE(client);
    const TemporaryFile config(scrape);
    const TemporaryDirectory data;
    const auto server = start_server((*lab_)->host("gateway"),
                                     {path_of("prometheus"), "--config.file=" + config.path(),
                                      "--storage.tsdb.path=" + data / "tsdb", "--web.listen-address=127.0.0.1:9090"},
                                     "Server is ready to receive web requests");
    ASSERT_TRUE(server);

    std::string last;
    // What an expression amounts to; empty: no sample matches.
    const auto value = [&](const std::string& expression) -> std::string {
        last = output_of((*lab_)->host("gateway"), {"curl", "-sS", "-G", "--data-urlencode", "query=" + expression,
                                                    "http://127.0.0.1:9090/api/v1/query"});
        const auto result = nlohmann::json::parse(last).at("data").at("result");
        return result.empty() ? "" : result.at(0).at("value").at(1).get<std::string>();
    };
    // At one time or another: on a busy machine it may come in vain once.
    const auto becomes = [&](const std::string& expression, const std::string& expected) {
        return wait_for([&] { return value(expression) == expected; });
    };
    const auto has_samples = [&](const std::string& expression) {
        return wait_for([&] { return !value(expression).empty(); });
    };
    EXPECT_TRUE(has_samples(R"(sum(hairpin_flows_accepted_total{service="web"}) > 0)")) << last;
    EXPECT_TRUE(becomes(R"(hairpin_backend_up{backend="10.0.0.3:80"})", "0")) << last;
    EXPECT_TRUE(becomes(R"(hairpin_backend_up{backend="10.0.0.2:80"})", "1")) << last;
    EXPECT_TRUE(has_samples(R"(hairpin_backend_check_duration_seconds{backend="10.0.0.2:80"} > 0)")) << last;
    EXPECT_TRUE(becomes("up", "1")) << last;
    EXPECT_TRUE(becomes("hairpin_build_info{engine=\"" + GetParam() + "\"}", "1")) << last;
}

INSTANTIATE_TEST_SUITE_P(Every, Prometheus, testing::ValuesIn(engine_names()),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace hairpin
