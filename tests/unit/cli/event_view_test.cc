// What `hairpin events` prints, and how it reads what the gateway sends.
#include "cli/event_view.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace hairpin {
namespace {

using Texts = std::vector<std::string>;

TEST(EventView, HasALineForEach) {
    EXPECT_EQ(event_line({{"number", 7},
                          {"time", "2025-11-27T02:59:05.678Z"},
                          {"kind", "backend_up"},
                          {"level", "info"},
                          {"message", "service web: backend 10.0.0.2:80 is up"}}),
              "2025-11-27T02:59:05.678Z  info     backend_up         service web: backend 10.0.0.2:80 is up\n");
}

TEST(EventStream, GivesTheDataOfWhatIsComplete) {
    EventStream stream;
    EXPECT_EQ(stream.take("id: 1\nevent: ready\ndata: {\"a\":1}\n"), Texts{});
    EXPECT_EQ(stream.take("\n:\n\nid: 2\ndata:{\"b\":2}\n\nda"), (Texts{R"({"a":1})", R"({"b":2})"}));
    EXPECT_EQ(stream.take("ta: c\r\ndata: d\r\n\r\n"), Texts{"c\nd"});
    EXPECT_EQ(stream.take("\n\nevent: without data\n\n"), Texts{});
}

TEST(EventStream, KnowsWhereItGoesOn) {
    EventStream stream;
    EXPECT_EQ(stream.last_id(), "");
    EXPECT_EQ(stream.take("id: 6\n\n"), Texts{});
    EXPECT_EQ(stream.last_id(), "6") << "without an event";
    EXPECT_EQ(stream.take("id: 7\nevent: ready\ndata: {}\n"), Texts{});
    EXPECT_EQ(stream.last_id(), "6") << "that event may still break off";
    EXPECT_EQ(stream.take("\n:\n\n"), Texts{"{}"});
    EXPECT_EQ(stream.last_id(), "7");
}

TEST(EventStream, KnowsWhatIsNone) {
    EventStream stream;
    EXPECT_FALSE(stream.is_too_long());
    EXPECT_EQ(stream.take(std::string(EventStream::most + 1, 'x')), Texts{});
    EXPECT_TRUE(stream.is_too_long());
}

}  // namespace
}  // namespace hairpin
