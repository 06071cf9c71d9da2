// What `hairpin backends` prints.
#include "cli/backend_view.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace hairpin {
namespace {

using nlohmann::json;

TEST(BackendTable, HasARowForEach) {
    const json down = {{"service", "web"}, {"backend", "10.0.0.2:80"}, {"state", "down"},
                       {"serving", false}, {"check", "http"},          {"reason", "connection refused"},
                       {"in_a_row", 3},    {"for_ms", 12'000},         {"active", 2}};
    const json up = {{"service", "web"}, {"backend", "10.0.0.13:80"}, {"state", "up"}, {"serving", true},
                     {"check", "http"},  {"reason", nullptr},         {"in_a_row", 9}, {"for_ms", 900},
                     {"active", 10}};
    const json unchecked = {{"service", "dns"},    {"backend", "[fd00::2]:53"}, {"state", "unchecked"},
                            {"serving", true},     {"check", nullptr},          {"reason", nullptr},
                            {"in_a_row", nullptr}, {"for_ms", nullptr},         {"active", 0}};
    EXPECT_EQ(backend_table({down, up, unchecked}),
              "service  backend       state      for    check  serving  active  last failure\n"
              "web      10.0.0.2:80   down       12 s   http   no       2       connection refused\n"
              "web      10.0.0.13:80  up         0.9 s  http   yes      10      -\n"
              "dns      [fd00::2]:53  unchecked  -      -      yes      0       -\n");
}

}  // namespace
}  // namespace hairpin
