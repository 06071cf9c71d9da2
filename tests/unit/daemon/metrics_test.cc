#include "daemon/metrics.h"

#include <gtest/gtest.h>

#include "support/fake_engine.h"

namespace hairpin {
namespace {

TEST(Metrics, CarryServicePathBackendAndReason) {
    Service web;
    web.name = "web";
    web.listen = {*EndpointRange::parse("1.0.0.1:80")};
    web.backends = {{*EndpointRange::parse("10.0.0.2:80")}, {*EndpointRange::parse("[fd00::2]:80")}};
    const Desired configured{Ruleset({web}), {}};
    web.backends.pop_back();
    const Desired serving{Ruleset({web}), {}};
    FakeEngine engine;
    ServiceStats counts;
    counts.service = "web";
    counts.active = 2;
    counts.accepted[static_cast<size_t>(Path::peer)] = 12'345'678'901;
    counts.refused[static_cast<size_t>(Refusal::ports)] = 3;
    counts.bytes_to_clients = 5400;
    BackendStats& came =
        counts.backends.emplace_back(BackendStats{.backend = web.backends[0].endpoint, .path = Path::peer});
    came.accepted = 9;
    came.connecting.buckets[1] = 2;  // up to 250 µs
    came.connecting.buckets.back() = 1;
    came.connecting.sum = std::chrono::milliseconds(3500);
    counts.backends.push_back({.backend = web.backends[0].endpoint, .path = Path::external, .accepted = 4});  // UDP
    engine.told_stats = Stats{{counts}};
    const Administration administration;
    const BackendHealth health{[] {}, administration};
    const BackendDiscovery discovery{[] {}};
    Loads loads;
    const Events events;
    loads.refuse();
    Gateway gateway{engine, health, discovery, configured, serving, loads, events, std::chrono::steady_clock::now()};

    const auto text = metrics_text(gateway);
    ASSERT_TRUE(text) << text.error().message;
    for (
        const char* line : {
            "hairpin_build_info{version=\"" HAIRPIN_VERSION "\",engine=\"fake\"} 1\n",
            "hairpin_config_last_reload_successful 0\n",
            "# TYPE hairpin_flows_active gauge\nhairpin_flows_active{service=\"web\"} 2\n",
            "hairpin_flows_accepted_total{service=\"web\",path=\"peer\"} 12345678901\n",
            "hairpin_flows_accepted_total{service=\"web\",path=\"self\"} 0\n",
            "hairpin_flows_refused_total{service=\"web\",reason=\"ports\"} 3\n",
            "hairpin_forwarded_bytes_total{service=\"web\",direction=\"to_clients\"} 5400\n",
            "hairpin_backend_flows_accepted_total{service=\"web\",backend=\"10.0.0.2:80\",path=\"peer\"} 9\n",
            "hairpin_backend_flows_accepted_total{service=\"web\",backend=\"10.0.0.2:80\",path=\"external\"} 4\n",
            "# TYPE hairpin_backend_connect_duration_seconds histogram\n",
            "hairpin_backend_connect_duration_seconds_count{service=\"web\",backend=\"10.0.0.2:80\",path=\"peer\"} 3\n",
            "hairpin_backend_connect_duration_seconds_sum{service=\"web\",backend=\"10.0.0.2:80\",path=\"peer\"} 3.5\n",
            "path=\"peer\",le=\"0.0001\"} 0\n",
            "path=\"peer\",le=\"0.00025\"} 2\n",
            "path=\"peer\",le=\"2.5\"} 2\n",
            "path=\"peer\",le=\"+Inf\"} 3\n",
            "hairpin_backend_up{service=\"web\",backend=\"[fd00::2]:80\"} 1\n",
            "hairpin_backend_serving{service=\"web\",backend=\"10.0.0.2:80\"} 1\n",
            "hairpin_backend_serving{service=\"web\",backend=\"[fd00::2]:80\"} 0\n",
        }) {
        EXPECT_NE(text->find(line), std::string::npos) << line << *text;
    }
    EXPECT_EQ(text->find("duration_seconds_count{service=\"web\",backend=\"10.0.0.2:80\",path=\"external\"}"),
              std::string::npos)
        << "no connection was waited for";

    engine.told_stats = Error{"the table is gone"};
    EXPECT_FALSE(metrics_text(gateway));
}

}  // namespace
}  // namespace hairpin
