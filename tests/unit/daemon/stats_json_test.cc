// The JSON that SIGUSR1 logs and the API answers.
#include "daemon/stats_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace hairpin {
namespace {

TEST(StatsJson, names_every_counter_in_order) {
    ServiceStats stats;
    stats.service = "srv1";
    stats.active = 1;
    stats.accepted = {2, 3, 4, 5, 6};
    stats.refused = {7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    stats.bytes_to_backends = 17;
    stats.bytes_to_clients = 18;
    stats.backends = {{.backend = *EndpointRange::parse("10.0.0.2:80"), .path = Path::peer, .accepted = 19}};
    EXPECT_EQ(
        to_json(stats).dump(),
        R"({"service":"srv1","active":1,)"
        R"("accepted":{"external":2,"routed":3,"peer":4,"self":5,"local":6},)"
        R"("refused":{"backend":7,"descriptors":8,"ports":9,"memory":10,"sessions":11,"proxy_header":12,"loop":13,)"
        R"("oversize":14,"denied":15,"limits":16},)"
        R"("bytes_to_backends":17,"bytes_to_clients":18,)"
        R"("backends":[{"backend":"10.0.0.2:80","path":"peer","accepted":19}]})");
}

TEST(StatsJson, keeps_the_order_of_the_services) {
    Stats stats;
    for (const char* name : {"b", "a"}) {
        ServiceStats service;
        service.service = name;
        stats.services.push_back(service);
    }
    const auto json = to_json(stats);
    ASSERT_EQ(json["services"].size(), 2u);
    EXPECT_EQ(json["services"][0]["service"], "b");
    EXPECT_EQ(json["services"][1]["service"], "a");
}

TEST(StatsJson, tells_all_of_a_flow_and_what_is_unknown) {
    LiveFlow flow{.service = "srv1",
                  .path = Path::peer,
                  .client = {Protocol::udp, *Endpoint::parse("10.0.0.3:40000"), *Endpoint::parse("1.0.0.1:5432")},
                  .backend = {Protocol::udp, *Endpoint::parse("1.0.0.1:33001"), *Endpoint::parse("10.0.0.2:54321")},
                  .bytes_to_backend = 120,
                  .age = std::chrono::milliseconds(1500)};
    EXPECT_EQ(to_json(flow).dump(),
              R"({"service":"srv1","protocol":"udp","path":"peer","client":"10.0.0.3:40000","asked":"1.0.0.1:5432",)"
              R"("source":"1.0.0.1:33001","backend":"10.0.0.2:54321","bytes_to_backend":120,"bytes_to_client":null,)"
              R"("age_ms":1500,"ended":false})");
}

}  // namespace
}  // namespace hairpin
