#include "daemon/events.h"

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "daemon/events_json.h"

namespace hairpin {
namespace {

using namespace std::chrono_literals;

const NumberedEvent::Time start = NumberedEvent::Time(1'764'212'345'678ms);
constexpr uint64_t first = 1'764'212'345'678'000;

Event event(std::string message, EventKind kind = EventKind::backend_down) {
    return {.kind = kind, .message = std::move(message)};
}

// What a reader hears that has heard this number, each with its number, which begins anew at 0.
std::vector<std::string> heard(const Events& events, uint64_t number) {
    std::vector<std::string> all;
    while (const auto next = events.after(number)) {
        number = next->number;
        const bool missed = next->event.kind == EventKind::missed;
        all.push_back(std::to_string(number + 1 - first) + (missed ? " missed" : " " + next->event.message));
    }
    return all;
}

using Texts = std::vector<std::string>;

// Without a log.
class EventsKept : public testing::Test {
protected:
    void SetUp() override { spdlog::set_level(spdlog::level::off); }
    void TearDown() override { spdlog::set_level(spdlog::level::info); }
};

TEST_F(EventsKept, AreHeardOnceEachInTheirOrder) {
    Events events(start);
    EXPECT_EQ(heard(events, events.before_oldest()), Texts{});
    events.tell(event("a"));
    events.tell(event("b"));
    EXPECT_EQ(heard(events, events.before_oldest()), (Texts{"1 a", "2 b"}));
    EXPECT_EQ(heard(events, first), Texts{"2 b"});
    EXPECT_EQ(heard(events, events.last()), Texts{});
    events.tell(event("c"));
    EXPECT_EQ(heard(events, first + 1), Texts{"3 c"});
}

TEST_F(EventsKept, WithoutAKindAreForTheLogAlone) {
    Events events(start);
    events.tell({.level = Event::Level::warning, .message = "a client could not be served"});
    events.tell(event("a"));
    EXPECT_EQ(heard(events, events.before_oldest()), Texts{"1 a"});
}

TEST_F(EventsKept, MakeRoomForOthersAndWhoComesTooLateHearsSo) {
    Events events(start);
    for (size_t i = 1; i <= Events::most + 3; ++i) events.tell(event(std::to_string(i)));
    const auto late = heard(events, first);  // has heard the first one
    ASSERT_EQ(late.size(), Events::most + 1);
    EXPECT_EQ(late[0], "3 missed") << "the second and the third";
    EXPECT_EQ(late[1], "4 4");
    EXPECT_EQ(events.after(first)->event.message.find("2 events after number "), 0u)
        << events.after(first)->event.message;
    EXPECT_EQ(heard(events, first + 2).front(), "4 4") << "nothing is missed";
    EXPECT_EQ(heard(events, events.before_oldest()).front(), "4 4") << "who asks for what is kept misses nothing";
}

TEST_F(EventsKept, TakeNoMoreMemoryThanTheyMay) {
    Events events(start);
    const std::string large(Events::most_bytes / 4, 'x');
    for (int i = 0; i < 9; ++i) events.tell({.kind = EventKind::reload_refused, .reasons = {large}});
    EXPECT_EQ(events.last() - events.before_oldest(), 4u);
    events.tell(event(std::string(2 * Events::most_bytes, 'x')));
    EXPECT_EQ(events.last() - events.before_oldest(), 1u) << "the last one is kept, however large";
}

TEST_F(EventsKept, OfAnotherDaemonAreMissed) {
    Events events(start);
    EXPECT_EQ(heard(events, first - 1'000'000), Texts{"0 missed"}) << "before it has told of anything";
    events.tell(event("a"));
    EXPECT_EQ(heard(events, first - 1'000'000), (Texts{"0 missed", "1 a"})) << "it began before";
    EXPECT_EQ(heard(events, first + 1'000'000), (Texts{"0 missed", "1 a"})) << "the clock went back";
    EXPECT_EQ(Events(start + 1ms).last(), first + 999) << "numbers grow";
}

TEST(EventsJson, HasWhatAppliesAndNoMore) {
    const NumberedEvent down = {first,
                                start,
                                {.kind = EventKind::backend_down,
                                 .level = Event::Level::warning,
                                 .message = "it is down",
                                 .service = "web",
                                 .backend = "10.0.0.2:80",
                                 .by = "check"}};
    const std::string json =
        R"({"number":1764212345678000,"time":"2025-11-27T02:59:05.678Z","kind":"backend_down","level":"warning",)"
        R"("message":"it is down","service":"web","backend":"10.0.0.2:80","by":"check"})";
    EXPECT_EQ(stream_text(down), "id: 1764212345678000\nevent: backend_down\ndata: " + json + "\n\n");
}

TEST(EventsJson, IsOneLineOfUtf8) {
    const NumberedEvent odd = {first, start, event("two\nlines, and \xff")};
    const std::string text = stream_text(odd);
    EXPECT_EQ(std::ranges::count(text, '\n'), 4) << text;
    EXPECT_NE(text.find("two\\nlines, and \xef\xbf\xbd"), std::string::npos) << text;
}

}  // namespace
}  // namespace hairpin
