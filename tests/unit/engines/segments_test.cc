// Which datagrams can leave as one message, and what a message that was received consists of.
#include "engines/proxy/segments.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace hairpin::proxy {
namespace {

constexpr std::array<uint8_t, 70'000> bytes{};

std::vector<Datagram> of_sizes(const std::vector<size_t>& sizes) {
    std::vector<Datagram> datagrams;
    datagrams.reserve(sizes.size());
    for (const size_t size : sizes) datagrams.push_back({std::span(bytes).first(size)});
    return datagrams;
}

size_t joined(const std::vector<size_t>& sizes, size_t header = 0, size_t largest = most_segment_bytes) {
    return joinable(of_sizes(sizes), header, largest);
}

std::vector<size_t> parts(size_t message, size_t size) {
    std::vector<Datagram> datagrams;
    split({std::span(bytes).first(message), 7}, size, datagrams);
    std::vector<size_t> sizes;
    sizes.reserve(datagrams.size());
    const uint8_t* next = bytes.data();
    for (const Datagram& datagram : datagrams) {
        EXPECT_EQ(datagram.payload.data(), next);
        EXPECT_EQ(datagram.message, 7u);
        next += datagram.payload.size();
        sizes.push_back(datagram.payload.size());
    }
    return sizes;
}

using Sizes = std::vector<size_t>;

TEST(Joinable, AreEqualSizesAndOneSmallerAtTheEnd) {
    EXPECT_EQ(joined({100}), 1u);
    EXPECT_EQ(joined({100, 100, 100}), 3u);
    EXPECT_EQ(joined({100, 100, 99}), 3u);
    EXPECT_EQ(joined({100, 99, 99}), 2u);
    EXPECT_EQ(joined({100, 99, 100}), 2u);
    EXPECT_EQ(joined({100, 100, 101}), 2u);
    EXPECT_EQ(joined({100, 101}), 1u);
}

// The kernel would send nothing for it.
TEST(Joinable, IsNoEmptyDatagramUnlessItHasAHeader) {
    EXPECT_EQ(joined({0}), 1u);
    EXPECT_EQ(joined({0, 0}), 1u);
    EXPECT_EQ(joined({100, 100, 0, 100}), 2u);
    EXPECT_EQ(joined({0, 0}, 28), 2u);
    EXPECT_EQ(joined({100, 0}, 28), 2u);
}

TEST(Joinable, AreNoMoreThanOneMessageTakes) {
    EXPECT_EQ(joined(Sizes(65, 10)), 64u);
    EXPECT_EQ(joined(Sizes(64, 1023)), 64u);  // 65,472 bytes
    EXPECT_EQ(joined(Sizes(64, 1024)), 63u);  // 65,536 would not fit
    EXPECT_EQ(joined(Sizes(64, 1000), 24), 63u);
    EXPECT_EQ(joined({32'743, 32'743, 1}), 2u);
    EXPECT_EQ(joined({32'744, 32'744}), 1u);
    EXPECT_EQ(joined({65'507, 65'507}), 1u);
}

TEST(Joinable, AreNoneLargerThanTheKernelJoins) {
    EXPECT_EQ(joined({100, 100}, 0, 100), 2u);
    EXPECT_EQ(joined({101, 101}, 0, 100), 1u);
    EXPECT_EQ(joined({100, 100}, 1, 100), 1u);
}

TEST(Split, CutsEqualSizesAndARest) {
    EXPECT_EQ(parts(300, 100), (Sizes{100, 100, 100}));
    EXPECT_EQ(parts(301, 100), (Sizes{100, 100, 100, 1}));
    EXPECT_EQ(parts(100, 100), (Sizes{100}));
    EXPECT_EQ(parts(99, 100), (Sizes{99}));
    EXPECT_EQ(parts(0, 100), (Sizes{0}));
}

}  // namespace
}  // namespace hairpin::proxy
