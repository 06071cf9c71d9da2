// The buckets of rates, in the kernel's table, are swept once they are full, and not before.
#include <gtest/gtest.h>

#include <chrono>

#include "engines/bpf/rates.h"
#include "kernel/loaded.h"
#include "kernel/namespace.h"
#include "unit/model/values.h"

namespace hairpin::bpf {
namespace {

using BpfBuckets = InNamespace;

TEST_F(BpfBuckets, AreSweptOnceFull) {
    alone_as_root([] {
        const auto kernel = loaded();
        ASSERT_TRUE(kernel);
        const Maps& maps = kernel->kernel().maps();
        const auto after = [](std::chrono::seconds time) {
            const std::chrono::nanoseconds then = std::chrono::steady_clock::now().time_since_epoch() + time;
            return hp_bucket{static_cast<uint64_t>(then.count())};
        };
        const hp_address client{{0, 0, 0, 1}};
        const hp_counted full{.service = 1, .client = client};
        const hp_counted filling{.service = 2, .client = client};
        ASSERT_TRUE(maps.buckets.put(full, after(std::chrono::seconds(-2))));
        ASSERT_TRUE(maps.buckets.put(filling, after(std::chrono::hours(1))));
        Buckets buckets;
        for (int i = 0; i < 2; ++i) {
            buckets.sweep(maps, {});
            EXPECT_FALSE(maps.buckets.get(full));
            EXPECT_TRUE(maps.buckets.get(filling));
        }
        ASSERT_TRUE(maps.buckets.put(filling, after(std::chrono::seconds(-2))));
        buckets.sweep(maps, {});
        EXPECT_FALSE(maps.buckets.get(filling)) << "though nobody has rates any more";
    });
}

// A flood of clients must not leave the service without its own.
TEST_F(BpfBuckets, OfWholeServicesAreThereAsLongAsThereAreRates) {
    alone_as_root([] {
        const auto kernel = loaded();
        ASSERT_TRUE(kernel);
        const Maps& maps = kernel->kernel().maps();
        Service web = service("web", {"1.0.0.1:80"}, {"10.0.0.2:80"});
        web.limits[Limit::new_per_second] = 3;
        const Desired desired{Ruleset({web}), {}};
        ServiceSlots slots;
        ASSERT_TRUE(slots.make(maps.counts, desired));
        ASSERT_TRUE(Buckets::make(maps, desired, slots));
        const hp_counted all{.service = slots.of(web), .client = {}};
        Buckets buckets;
        buckets.sweep(maps, desired);
        EXPECT_TRUE(maps.buckets.get(all));

        ASSERT_TRUE(maps.buckets.put(all, {42}));
        ASSERT_TRUE(Buckets::make(maps, desired, slots));
        EXPECT_EQ(maps.buckets.get(all)->full_at, 42) << "a reload fills none";
        buckets.sweep(maps, {});
        EXPECT_FALSE(maps.buckets.get(all));
    });
}

}  // namespace
}  // namespace hairpin::bpf
