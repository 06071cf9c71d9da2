// The hash is that of others: their published values, and values that another implementation computed.
#include "model/balance.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string_view>

#include "unit/model/values.h"

namespace hairpin {
namespace {

uint32_t hash_of(std::string_view text, uint32_t seed) {
    return jhash({reinterpret_cast<const uint8_t*>(text.data()), text.size()}, seed);
}

// driver5() of https://burtleburtle.net/bob/c/lookup3.c
TEST(Balance, JhashIsLookup3) {
    EXPECT_EQ(hash_of("", 0), 0xDEADBEEFu);
    EXPECT_EQ(hash_of("", 0xDEADBEEF), 0xBD5B7DDEu);
    EXPECT_EQ(hash_of("Four score and seven years ago", 0), 0x17770551u);
    EXPECT_EQ(hash_of("Four score and seven years ago", 1), 0xCD628161u);
}

// 4 bytes for IPv4, 16 for IPv6, as nft(8) loads them. Computed by a program of its own from lookup3's text.
TEST(Balance, AnAddressIsHashedAsItStandsInThePacket) {
    EXPECT_EQ(jhash(ip("1.0.0.100").network_bytes(), source_hash_seed), 0x9AD53608u);
    EXPECT_EQ(jhash(ip("10.0.0.2").network_bytes(), source_hash_seed), 0x2D9D865Au);
    EXPECT_EQ(jhash(ip("2001:db8::100").network_bytes(), source_hash_seed), 0x9BFEDFC7u);
    EXPECT_EQ(jhash(ip("fd00::2").network_bytes(), source_hash_seed), 0xCE8C70E5u);
}

TEST(Balance, TheHashIsScaledToTheNumberOfBackends) {
    const auto chosen = [](std::string_view client) {
        std::vector<size_t> indices;
        for (const size_t backends : {1, 2, 3, 5, 10}) indices.push_back(source_hash(ip(client), backends));
        return indices;
    };
    EXPECT_EQ(chosen("1.0.0.100"), (std::vector<size_t>{0, 1, 1, 3, 6}));
    EXPECT_EQ(chosen("10.0.0.2"), (std::vector<size_t>{0, 0, 0, 0, 1}));
    EXPECT_EQ(chosen("10.0.0.3"), (std::vector<size_t>{0, 1, 2, 3, 6}));
    EXPECT_EQ(chosen("fd00::2"), (std::vector<size_t>{0, 1, 2, 4, 8}));
}

TEST(Balance, NeighboursAreSpreadEvenly) {
    std::map<size_t, int> clients;
    for (uint32_t i = 0; i < 9000; ++i) ++clients[source_hash(Ip::v4(0x0A000000 + i), 3)];
    ASSERT_EQ(clients.size(), 3u);
    for (const auto& [backend, count] : clients) EXPECT_NEAR(count, 3000, 300) << backend;
}

// The sequence of nginx's ngx_http_upstream_round_robin.c for the weights 5, 1, 1, as its author gave it.
TEST(Turns, AreSmooth) {
    EXPECT_EQ(turns(std::vector<uint32_t>{5, 1, 1}), (Slots{0, 0, 1, 0, 2, 0, 0}));
    EXPECT_EQ(turns(std::vector<uint32_t>{3, 2}), (Slots{0, 1, 0, 1, 0}));
}

TEST(Turns, CountWeightsAsARatio) {
    EXPECT_EQ(turns(std::vector<uint32_t>{200, 100}), turns(std::vector<uint32_t>{2, 1}));
    EXPECT_EQ(turns(std::vector<uint32_t>{9, 0, 9}), (Slots{0, 2}));
    EXPECT_EQ(turns(std::vector<uint32_t>{0, 0}), Slots{});
    EXPECT_EQ(turns({}), Slots{});
}

TEST(Turns, AreLimitedAndLeaveNobodyOut) {
    std::vector<uint32_t> weights(1000, 255);
    weights[7] = 1;
    const Slots limited = turns(weights);
    EXPECT_LE(limited.size(), most_turns);
    EXPECT_EQ(std::ranges::count(limited, 7), 1);
    EXPECT_EQ(std::ranges::count(limited, 8), 16);
}

}  // namespace
}  // namespace hairpin
