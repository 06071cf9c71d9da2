#include "lab/report.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "unit/lab/services.h"

namespace hairpin::lab {
namespace {

constexpr Abilities proxy{.foreign_source = false, .cross_family = true};

TEST(Picture, DefaultExample) {
    EXPECT_EQ("\n" + picture(make_plan(Ruleset(default_example()), proxy), false), R"(
                    ╭─ gateway ─────────────────────────╮               ╭─ server1 ──────╮
                    │                                   │           ╭───┤ 10.0.0.2       │
╭─ client ──╮       │ ext                           int │           │   │ srv1 54321/tcp │
│ 1.0.0.100 ├───────┤ 1.0.0.1                  10.0.0.1 ├── switch ─┤   ╰────────────────╯
╰───────────╯       │                                   │           │   ╭─ server2 ──────╮
                    │ srv1 1.0.0.1:5432/tcp             │           ╰───┤ 10.0.0.3       │
                    │ srv2 1.0.0.1:1234/tcp             │               │ srv2 12345/tcp │
                    │                                   │               ╰────────────────╯
                    │                              int2 │               ╭─ routed ───────╮
                    │                          10.0.1.1 ├───────────────┤ 10.0.1.100     │
                    ╰───────────────────────────────────╯               ╰────────────────╯
)");
}

TEST(Picture, OneBackendOnTheGateway) {
    const Ruleset ruleset({service("web", {"1.0.0.1:80"}, {"127.0.0.1:8080"})});
    EXPECT_EQ("\n" + picture(make_plan(ruleset, proxy), false), R"(
                    ╭─ gateway ──────────────────────────────────╮
╭─ client ──╮       │ ext                                        │
│ 1.0.0.100 ├───────┤ 1.0.0.1                                    │
╰───────────╯       │                                       int2 │               ╭─ routed ───╮
                    │ web 1.0.0.1:80/tcp                10.0.1.1 ├───────────────┤ 10.0.1.100 │
                    │ web runs at 127.0.0.1:8080/tcp             │               ╰────────────╯
                    ╰────────────────────────────────────────────╯
)");
}

TEST(Picture, ALoopbackEndpointNeedsNoOutside) {
    const Ruleset ruleset({service("web", {"127.0.0.1:80"}, {"10.0.0.2:8080"})});
    EXPECT_EQ("\n" + picture(make_plan(ruleset, proxy), false), R"(
╭─ gateway ────────────────────────╮               ╭─ server1 ────╮
│                                  │           ╭───┤ 10.0.0.2     │
│                              int │           │   │ web 8080/tcp │
│ web 127.0.0.1:80/tcp    10.0.0.1 ├── switch ─┤   ╰──────────────╯
│                                  │           │   ╭─ peer ───────╮
│                                  │           ╰───┤ 10.0.0.50    │
╰──────────────────────────────────╯               ╰──────────────╯
)");
}

TEST(Picture, ManyHostsAreCutShort) {
    std::vector<Service> services;
    for (int i = 0; i < 12; ++i) {
        const std::string listen = "1.0.0.1:" + std::to_string(1000 + i);
        const std::string backend = "10.0.0." + std::to_string(2 + i) + ":80";
        services.push_back(service("s" + std::to_string(i), {listen.c_str()}, {backend.c_str()}));
    }
    const std::string text = picture(make_plan(Ruleset(services), proxy), false);
    EXPECT_NE(text.find("server8"), text.npos);
    EXPECT_EQ(text.find("server9"), text.npos);
    EXPECT_NE(text.find("4 more hosts"), text.npos);
}

TEST(Picture, ColourChangesNoCharacter) {
    const Plan plan = make_plan(Ruleset(default_example()), proxy);
    std::string text = picture(plan, true);
    for (size_t at = text.find('\033'); at != text.npos; at = text.find('\033')) {
        text.erase(at, text.find('m', at) - at + 1);
    }
    EXPECT_EQ(text, picture(plan, false));
}

Row row(Verdict verdict, std::string seen, std::string message) {
    return {"peer",
            "srv2",
            Protocol::tcp,
            "server1",
            *Endpoint::parse("10.0.0.2:40000"),
            *Endpoint::parse("1.0.0.1:1234"),
            "server2",
            *Endpoint::parse("10.0.0.3:12345"),
            std::move(seen),
            "1.0.0.1",
            verdict,
            std::move(message)};
}

TEST(Table, SaysWhatFailedAndWhy) {
    const std::vector<Row> rows = {row(Verdict::ok, "1.0.0.1", ""), row(Verdict::failed, "10.0.0.1", "wrong"),
                                   row(Verdict::failed, "", "no answer in time"), row(Verdict::gap, "", "cannot")};
    EXPECT_FALSE(holds(rows));
    EXPECT_EQ("\n" + table(rows, false), R"(
path  client            endpoint          backend                 source seen  expected  verdict
peer  server1 10.0.0.2  tcp 1.0.0.1:1234  server2 10.0.0.3:12345  1.0.0.1      1.0.0.1   ok
peer  server1 10.0.0.2  tcp 1.0.0.1:1234  server2 10.0.0.3:12345  10.0.0.1     1.0.0.1   failed: wrong
peer  server1 10.0.0.2  tcp 1.0.0.1:1234  server2 10.0.0.3:12345  -            1.0.0.1   failed: no answer in time
peer  server1 10.0.0.2  tcp 1.0.0.1:1234  server2 10.0.0.3:12345  -            1.0.0.1   gap: cannot
2 of 4 failed, 1 the engine cannot do
)");
}

TEST(Table, AGapIsNoFailure) {
    const std::vector<Row> rows = {row(Verdict::ok, "1.0.0.1", ""), row(Verdict::gap, "", "cannot")};
    EXPECT_TRUE(holds(rows));
    EXPECT_NE(table(rows, false).find("all 1 hold, 1 the engine cannot do\n"), std::string::npos);
}

TEST(Json, HoldsWhatTheTableHolds) {
    const std::vector<Row> rows = {row(Verdict::failed, "", "no answer in time")};
    const std::vector<std::string> gaps = {"srv1: the client's address is not kept"};
    const auto all = nlohmann::json::parse(json(make_plan(Ruleset(default_example()), proxy), rows, gaps));
    EXPECT_EQ(all["holds"], false);
    EXPECT_EQ(all["hosts"][0]["name"], "gateway");
    EXPECT_EQ(all["rows"][0]["client_address"], "10.0.0.2:40000");
    EXPECT_TRUE(all["rows"][0]["source_seen"].is_null());
    EXPECT_EQ(all["rows"][0]["message"], "no answer in time");
    EXPECT_EQ(all["gaps"][0], gaps[0]);
}

}  // namespace
}  // namespace hairpin::lab
