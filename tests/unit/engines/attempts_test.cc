// Which backends the proxy tries, and in which order.
#include "engines/proxy/attempts.h"

#include <gtest/gtest.h>

namespace hairpin::proxy {
namespace {

std::vector<size_t> tried(const Slots& slots, size_t first) {
    std::vector<size_t> backends;
    Attempts attempts(slots, first);
    while (const auto choice = attempts.next()) backends.push_back(choice->backend);
    EXPECT_FALSE(attempts.next());
    return backends;
}

TEST(Attempts, GoRoundFromTheFirstSlot) {
    EXPECT_EQ(tried({0, 1, 2}, 0), (std::vector<size_t>{0, 1, 2}));
    EXPECT_EQ(tried({0, 1, 2}, 2), (std::vector<size_t>{2, 0, 1}));
    EXPECT_EQ(tried({}, 0), std::vector<size_t>{});
}

TEST(Attempts, TryEachBackendOnce) {
    EXPECT_EQ(tried({3, 3, 1, 3, 2, 3, 3}, 1), (std::vector<size_t>{3, 1, 2}));
    EXPECT_EQ(tried({3, 3, 1, 3, 2, 3, 3}, 4), (std::vector<size_t>{2, 3, 1}));
}

}  // namespace
}  // namespace hairpin::proxy
