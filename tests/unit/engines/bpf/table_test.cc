// The table of flows in the kernel's half (kern/table.h), and how large it is.
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <functional>
#include <random>
#include <unordered_map>
#include <vector>

#include "engines/bpf/convert.h"
#include "engines/bpf/flow_table.h"
#include "host_kernel.h"

namespace hairpin::bpf {
namespace {

using std::chrono::seconds;

HostKernel kernel_of(uint32_t slots) {
    return HostKernel(
        {}, 0, [](const Ip&) { return std::nullopt; }, slots);
}

hp_tuple key_of(uint32_t number, bool v6 = false) {
    hp_tuple key{};
    key.source = to_wire(*Ip::parse(v6 ? "2001:db8::1" : "192.0.2.1"));
    key.destination = to_wire(*Ip::parse(v6 ? "2001:db8::2" : "192.0.2.2"));
    key.source.word[3] += htonl(number >> 16);
    key.source_port = htons(static_cast<uint16_t>(number));
    key.destination_port = htons(443);
    key.protocol = IPPROTO_TCP;
    return key;
}

hp_half half_of(uint32_t number) {
    hp_half half{};
    half.service = number;
    return half;
}

TEST(BpfTable, WhatIsThereIsNotOverwritten) {
    auto kernel = kernel_of(64);
    EXPECT_FALSE(kernel.half(key_of(1)));
    EXPECT_EQ(kernel.insert(key_of(1), half_of(1)), 0);
    EXPECT_EQ(kernel.insert(key_of(1), half_of(2)), -EEXIST);
    ASSERT_TRUE(kernel.half(key_of(1)));
    EXPECT_EQ(kernel.half(key_of(1))->service, 1);
    kernel.remove(key_of(1));
    EXPECT_FALSE(kernel.half(key_of(1)));
    EXPECT_EQ(kernel.insert(key_of(1), half_of(2)), 0) << "its own slot still rests";
    EXPECT_EQ(kernel.half(key_of(1))->service, 2);
}

TEST(BpfTable, AFullOneGoesOnBeyond) {
    auto kernel = kernel_of(32);
    constexpr uint32_t many = 1000;
    for (uint32_t i = 0; i < many; ++i) ASSERT_EQ(kernel.insert(key_of(i, i % 2 == 0), half_of(i)), 0);
    for (uint32_t i = 0; i < many; ++i) {
        ASSERT_EQ(kernel.insert(key_of(i, i % 2 == 0), half_of(0)), -EEXIST);
        ASSERT_EQ(kernel.half(key_of(i, i % 2 == 0))->service, i);
    }
    for (uint32_t i = 0; i < many; ++i) kernel.remove(key_of(i, i % 2 == 0));
    kernel.pass_time(seconds(1));
    for (uint32_t i = 0; i < many; ++i) ASSERT_FALSE(kernel.half(key_of(i, i % 2 == 0)));
}

// Like a map, whatever comes and goes.
TEST(BpfTable, IsAMap) {
    auto kernel = kernel_of(128);
    std::unordered_map<uint32_t, uint32_t> expected;
    std::mt19937 random{7};
    for (uint32_t step = 0; step < 30'000; ++step) {
        const auto number = static_cast<uint32_t>(random() % 200);
        if (random() % 16 == 0) kernel.pass_time(std::chrono::milliseconds(30));
        if (random() % 2 == 0) {
            kernel.remove(key_of(number));
            expected.erase(number);
        } else {
            const bool is_new = expected.emplace(number, step).second;
            ASSERT_EQ(kernel.insert(key_of(number), half_of(step)), is_new ? 0 : -EEXIST);
        }
        const auto other = static_cast<uint32_t>(random() % 200);
        const auto found = expected.find(other);
        const auto half = kernel.half(key_of(other));
        ASSERT_EQ(half.has_value(), found != expected.end());
        if (half) {
            ASSERT_EQ(half->service, found->second);
        }
    }
}

// Two processors that have a client's first packets make its flow once, and none of them loses its packet.
TEST(BpfTable, OfTwoThatEnterAtOnceOneStaysAndTheOtherFindsIt) {
    for (uint32_t seed = 0; seed < 500; ++seed) {
        auto kernel = kernel_of(64);
        std::array<int, 2> failed{};
        std::array<std::optional<hp_half>, 2> found;
        const auto enter = [&](uint32_t number) {
            failed.at(number) = kernel.insert(key_of(1), half_of(number));
            found.at(number) = kernel.half(key_of(1));
        };
        HostKernel::at_once({[&] { enter(0); }, [&] { enter(1); }}, seed);
        ASSERT_TRUE((failed == std::array{0, -EEXIST} || failed == std::array{-EEXIST, 0}))
            << testing::PrintToString(failed) << ", seed " << seed;
        const uint32_t stayed = failed[0] == 0 ? 0 : 1;
        for (const auto& half : found) {
            ASSERT_TRUE(half) << "seed " << seed;
            ASSERT_EQ(half->service, stayed) << "seed " << seed;
        }
        ASSERT_EQ(kernel.slots_in_use().size(), 1) << "seed " << seed;
    }
}

// So many processors put the same key in; one of them does, and its half is found.
void expect_one_of(HostKernel& kernel, size_t processors, uint32_t seed) {
    std::vector<int> failed(processors);
    std::vector<std::function<void()>> entering;
    for (uint32_t i = 0; i < failed.size(); ++i) {
        entering.emplace_back([&, i] { failed[i] = kernel.insert(key_of(1), half_of(i)); });
    }
    HostKernel::at_once(entering, seed);
    ASSERT_EQ(std::ranges::count(failed, 0), 1) << testing::PrintToString(failed) << ", seed " << seed;
    const auto half = kernel.half(key_of(1));
    ASSERT_TRUE(half) << "seed " << seed;
    ASSERT_EQ(failed[half->service], 0) << "seed " << seed;
}

TEST(BpfTable, OfManyThatEnterAtOnceOneStays) {
    for (uint32_t seed = 0; seed < 300; ++seed) {
        auto kernel = kernel_of(64);
        ASSERT_NO_FATAL_FAILURE(expect_one_of(kernel, 2 + seed % 4, seed));
        ASSERT_EQ(kernel.slots_in_use().size(), 1) << "seed " << seed;
    }
}

// Where the neighbourhood is full but for a slot or two, who comes second goes beyond.
TEST(BpfTable, OfThoseThatEnterAtOnceWhereThereIsHardlyRoomOneStays) {
    constexpr uint32_t slots = 32;
    for (uint32_t seed = 0; seed < 600; ++seed) {
        auto kernel = kernel_of(slots);
        uint32_t others = 2;
        while (kernel.slots_in_use().size() < slots - 1 - seed % 2) {
            ASSERT_EQ(kernel.insert(key_of(others), half_of(0)), 0);
            ++others;
        }
        ASSERT_NO_FATAL_FAILURE(expect_one_of(kernel, 2 + seed % 2, seed));
        kernel.remove(key_of(1));
        ASSERT_FALSE(kernel.half(key_of(1))) << "there was another one, seed " << seed;
    }
}

// Whoever still reads a half that was taken away must not read another: its slot is not filled at once.
TEST(BpfTable, AVacatedSlotRests) {
    auto kernel = kernel_of(1024);
    const hp_tuple key = key_of(1);
    ASSERT_EQ(kernel.insert(key, half_of(1)), 0);
    const auto own = kernel.slots_in_use();
    kernel.remove(key);
    ASSERT_EQ(kernel.insert(key, half_of(2)), 0);
    EXPECT_NE(kernel.slots_in_use(), own);
    kernel.remove(key);
    kernel.pass_time(seconds(1));
    ASSERT_EQ(kernel.insert(key, half_of(3)), 0);
    EXPECT_EQ(kernel.slots_in_use(), own);
}

// Most halves of a table that is half full lie in their own slots: keys of neighbours are not neighbours there.
TEST(BpfTable, KeysAreSpread) {
    constexpr uint32_t slots = 1 << 14;
    auto kernel = kernel_of(slots);
    for (uint32_t i = 0; i < slots / 2; ++i) ASSERT_EQ(kernel.insert(key_of(i * 7), half_of(i)), 0);
    EXPECT_GE(kernel.slots_in_use().size(), slots / 2 - slots / 100) << "what is not there is beyond";
}

TEST(BpfTable, TakesA128thOfTheMemory) {
    constexpr uint64_t gib = 1ULL << 30;
    EXPECT_EQ(slots_for(gib / 16), HP_FEWEST_SLOTS);
    EXPECT_EQ(slots_for(gib) * sizeof(hp_slot), gib / 128);
    EXPECT_EQ(slots_for(15 * gib) * sizeof(hp_slot), gib / 16);
    EXPECT_EQ(slots_for(1024 * gib), HP_MOST_SLOTS);
}

}  // namespace
}  // namespace hairpin::bpf
