#include "model/balance.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>

namespace hairpin {
namespace {

struct State {
    std::array<uint32_t, 3> words;

    // One step of each of the two macros of lookup3, on words of the state by their index.
    void mix(size_t x, size_t y, size_t z, int bits) {
        words[x] = (words[x] - words[z]) ^ std::rotl(words[z], bits);
        words[z] += words[y];
    }
    void finish(size_t x, size_t y, int bits) { words[x] = (words[x] ^ words[y]) - std::rotl(words[y], bits); }
};

constexpr size_t block = 12;

size_t sum(std::span<const uint32_t> weights) { return std::accumulate(weights.begin(), weights.end(), size_t{0}); }

// As a ratio, in numbers as small as they can be and as `most_turns` needs them.
std::vector<uint32_t> reduced(std::span<const uint32_t> weights) {
    const auto divided_by = [&](uint32_t divisor) {
        std::vector<uint32_t> smaller;
        for (const uint32_t weight : weights) {
            const uint32_t rounded = (weight + divisor / 2) / divisor;
            smaller.push_back(weight == 0 ? 0 : std::max<uint32_t>(rounded, 1));
        }
        return smaller;
    };
    uint32_t divisor = 0;
    for (const uint32_t weight : weights) divisor = std::gcd(divisor, weight);
    divisor = std::max<uint32_t>(divisor, 1);
    const uint32_t largest = weights.empty() ? 0 : std::ranges::max(weights);
    std::vector<uint32_t> ratio = divided_by(divisor);
    while (sum(ratio) > most_turns && divisor < largest) {
        divisor = std::min(2 * divisor, largest);
        ratio = divided_by(divisor);
    }
    return ratio;
}

}  // namespace

uint32_t jhash(std::span<const uint8_t> key, uint32_t seed) {
    const auto begin = 0xDEADBEEF + static_cast<uint32_t>(key.size()) + seed;
    State state{{begin, begin, begin}};
    for (; key.size() > block; key = key.subspan(block)) {
        std::array<uint32_t, 3> words{};
        std::memcpy(words.data(), key.data(), block);  // in the machine's byte order, as Linux reads them
        for (size_t i = 0; i < words.size(); ++i) state.words[i] += words[i];
        state.mix(0, 1, 2, 4);
        state.mix(1, 2, 0, 6);
        state.mix(2, 0, 1, 8);
        state.mix(0, 1, 2, 16);
        state.mix(1, 2, 0, 19);
        state.mix(2, 0, 1, 4);
    }
    if (key.empty()) return state.words[2];
    for (size_t i = 0; i < key.size(); ++i) state.words[i / 4] += uint32_t{key[i]} << (8 * (i % 4));
    state.finish(2, 1, 14);
    state.finish(0, 2, 11);
    state.finish(1, 0, 25);
    state.finish(2, 1, 16);
    state.finish(0, 2, 4);
    state.finish(1, 0, 14);
    state.finish(2, 1, 24);
    return state.words[2];
}

// Scaled, not divided: the kernel's reciprocal_scale().
size_t source_hash(const Ip& client, size_t slots) {
    return (uint64_t{jhash(client.network_bytes(), source_hash_seed)} * slots) >> 32;
}

// Everyone earns its weight each turn; who has most takes the turn and pays for all.
Slots turns(std::span<const uint32_t> weights) {
    const std::vector<uint32_t> ratio = reduced(weights);
    const auto total = static_cast<int64_t>(sum(ratio));
    Slots slots;
    if (std::ranges::all_of(ratio, [](uint32_t weight) { return weight <= 1; })) {
        for (size_t i = 0; i < ratio.size(); ++i) {
            if (ratio[i] == 1) slots.push_back(static_cast<uint16_t>(i));
        }
        return slots;
    }
    std::vector<int64_t> earned(ratio.size());
    while (std::ssize(slots) < total) {
        for (size_t i = 0; i < ratio.size(); ++i) earned[i] += ratio[i];
        const auto richest = std::ranges::max_element(earned);
        *richest -= total;
        slots.push_back(static_cast<uint16_t>(richest - earned.begin()));
    }
    return slots;
}

}  // namespace hairpin
