// What `hairpin flows` and `hairpin who` print.
#include "cli/flow_view.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace hairpin {
namespace {

using nlohmann::json;

json flow(const char* client) {
    return {{"service", "srv1"},
            {"protocol", "tcp"},
            {"path", "peer"},
            {"client", client},
            {"asked", "1.0.0.1:5432"},
            {"source", "1.0.0.1:33001"},
            {"backend", "10.0.0.2:54321"},
            {"bytes_to_backend", 1023},
            {"bytes_to_client", 1536},
            {"age_ms", 900},
            {"ended", false}};
}

TEST(FlowTable, has_a_row_for_each_that_lives_the_oldest_first) {
    json young = flow("10.0.0.3:40000");
    json old = flow("10.0.0.3:7");
    old["age_ms"] = 7'300'000;
    old["bytes_to_client"] = 3'221'225'472;
    json ended = flow("10.0.0.3:8");
    ended["ended"] = true;
    EXPECT_EQ(flow_table({young, ended, old}),
              "service  path  client          endpoint          seen as        backend         to backend  to client"
              "    age\n"
              "srv1     peer  10.0.0.3:7      tcp 1.0.0.1:5432  1.0.0.1:33001  10.0.0.2:54321      1023 B    3.0 GiB"
              "    2 h\n"
              "srv1     peer  10.0.0.3:40000  tcp 1.0.0.1:5432  1.0.0.1:33001  10.0.0.2:54321      1023 B    1.5 KiB"
              "  0.9 s\n"
              "2 flows\n");
}

TEST(FlowTable, says_what_would_make_it_complete) {
    json unknown = flow("10.0.0.3:40000");
    unknown["bytes_to_backend"] = unknown["bytes_to_client"] = unknown["age_ms"] = nullptr;
    const std::string table = flow_table(json::array({unknown}));
    EXPECT_NE(table.find("-          -    -\n1 flow\n"), std::string::npos) << table;
    EXPECT_NE(table.find("sysctl -w net.netfilter.nf_conntrack_acct=1"), std::string::npos) << table;
}

TEST(FlowTable, is_followed_by_how_many_are_not_listed) {
    EXPECT_EQ(unlisted_text({{"flows", json::array()}, {"unlisted", 0}}), "");
    EXPECT_EQ(unlisted_text({{"flows", json::array()}, {"unlisted", 12}}),
              "and 12 more in processes before an upgrade, of which each lists some flows only\n");
}

TEST(FlowLine, names_the_client_first) {
    json told = flow("10.0.0.3:40000");
    EXPECT_EQ(flow_line(told),
              "10.0.0.3:40000, tcp to 1.0.0.1:5432 (srv1, peer), served by 10.0.0.2:54321, began 0.9 s ago");
    told["age_ms"] = nullptr;
    told["ended"] = true;
    EXPECT_EQ(flow_line(told), "10.0.0.3:40000, tcp to 1.0.0.1:5432 (srv1, peer), served by 10.0.0.2:54321, has ended");
}

}  // namespace
}  // namespace hairpin
