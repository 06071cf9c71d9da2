// What `hairpin top` shows.
#include "cli/top_view.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace hairpin {
namespace {

using nlohmann::json;

json service(const std::string& name, uint64_t accepted, uint64_t bytes) {
    return {
        {"service", name}, {"backends_up", 1},           {"backends", 2},        {"active", 3}, {"accepted", accepted},
        {"refused", 0},    {"bytes_to_backends", bytes}, {"bytes_to_clients", 0}};
}

json answer(std::vector<json> services) { return {{"services", std::move(services)}}; }

TEST(Top, ShowsRatesTheBusiestFirst) {
    EXPECT_EQ(top_table(answer({service("quiet", 5, 100), service("busy", 10, 1000)}),
                        answer({service("quiet", 5, 100), service("busy", 30, 1000 + 4096)}), std::chrono::seconds(2)),
              "service   up  active  new/s  refused/s  to backends  to clients\n"
              "busy     1/2       3     10          0    2.0 KiB/s       0 B/s\n"
              "quiet    1/2       3      0          0        0 B/s       0 B/s\n");
}

TEST(Top, TellsProgramsTheSame) {
    const auto rates = top_json(answer({service("quiet", 5, 100), service("busy", 10, 1000)}),
                                answer({service("quiet", 5, 100), service("busy", 30, 1000 + 4096)}),
                                std::chrono::seconds(2));
    EXPECT_EQ(rates.at("seconds"), 2.0);
    ASSERT_EQ(rates.at("services").size(), 2u);
    EXPECT_EQ(rates.at("services")[0], (json{{"service", "busy"},
                                             {"backends_up", 1},
                                             {"backends", 2},
                                             {"active", 3},
                                             {"accepted_per_second", 10.0},
                                             {"refused_per_second", 0.0},
                                             {"bytes_to_backends_per_second", 2048.0},
                                             {"bytes_to_clients_per_second", 0.0}}));
    EXPECT_EQ(rates.at("services")[1].at("service"), "quiet");
}

// After a restart all counters begin again, and a reload brings services.
TEST(Top, KnowsNoRateOfWhatHasJustBegun) {
    EXPECT_EQ(top_table(answer({service("old", 1000, 100'000)}), answer({service("old", 2, 10), service("new", 7, 70)}),
                        std::chrono::seconds(1)),
              "service   up  active  new/s  refused/s  to backends  to clients\n"
              "old      1/2       3      0          0        0 B/s       0 B/s\n"
              "new      1/2       3      0          0        0 B/s       0 B/s\n");
}

}  // namespace
}  // namespace hairpin
