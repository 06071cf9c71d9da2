#include "daemon/serving_report.h"

#include <gtest/gtest.h>

namespace hairpin {
namespace {

TEST(ServingReport, SaysOnceWhatIsWrongAndWhenThatIsOver) {
    const Wrongs one = {{"service web: a", "web"}};
    const Wrongs other = {{"service web: a", "web"}, {"service db: b", "db"}};
    EXPECT_TRUE(wrong_events(other, other).empty());

    const auto begun = wrong_events(one, other);
    ASSERT_EQ(begun.size(), 1u);
    EXPECT_EQ(begun[0].kind, EventKind::service_impaired);
    EXPECT_EQ(begun[0].level, Event::Level::warning);
    EXPECT_EQ(begun[0].message, "as things stand: service db: b");
    EXPECT_EQ(begun[0].service, "db");

    const auto over = wrong_events(other, one);
    ASSERT_EQ(over.size(), 1u);
    EXPECT_EQ(over[0].kind, EventKind::service_restored);
    EXPECT_EQ(over[0].message, "no longer so: service db: b");
}

TEST(ServingReport, SaysOnceThatChecksProveLessAndWhenThatIsOver) {
    const Wrongs lacking = {{"service web: a", "web"}};
    EXPECT_TRUE(wrong_check_events(lacking, lacking).empty());
    const auto begun = wrong_check_events({}, lacking);
    ASSERT_EQ(begun.size(), 1u);
    EXPECT_EQ(begun[0].kind, EventKind::checks_impaired);
    EXPECT_EQ(begun[0].level, Event::Level::warning);
    EXPECT_EQ(begun[0].service, "web");
    const auto over = wrong_check_events(lacking, {});
    ASSERT_EQ(over.size(), 1u);
    EXPECT_EQ(over[0].kind, EventKind::checks_restored);
    EXPECT_EQ(over[0].message, "no longer so: service web: a");
}

TEST(ServingReport, SaysWhatBecameOfAChange) {
    const Event failed = outcome_event("a change of names", Error{"no memory"});
    EXPECT_EQ(failed.kind, EventKind::change_failed);
    EXPECT_EQ(failed.message, "a change of names: no memory");
    EXPECT_EQ(failed.reason, "no memory");
    const Event followed = outcome_event("a change of names", {});
    EXPECT_EQ(followed.kind, EventKind::change_followed);
    EXPECT_EQ(followed.level, Event::Level::info);
}

TEST(ServingReport, SaysWhoOrderedWhat) {
    const ServiceBackend backend{"web", *EndpointRange::parse("10.0.0.2:80")};
    const Event disabled = order_event(Order::disable, backend, Duty::disabled, "uid 0, pid 7");
    EXPECT_EQ(disabled.kind, EventKind::backend_disabled);
    EXPECT_EQ(disabled.message, "service web: backend 10.0.0.2:80 is disabled (disable): uid 0, pid 7 asked for that");
    EXPECT_EQ(disabled.by, "uid 0, pid 7");
    const Event kept = kept_order_event(backend, Duty::draining);
    EXPECT_EQ(kept.kind, EventKind::backend_drained);
    EXPECT_EQ(kept.backend, "10.0.0.2:80");
    EXPECT_EQ(kept.by, "an earlier daemon");
}

}  // namespace
}  // namespace hairpin
