#include "model/balance.h"

#include <bit>
#include <cstring>

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
size_t source_hash(const Ip& client, size_t backends) {
    return (uint64_t{jhash(client.network_bytes(), source_hash_seed)} * backends) >> 32;
}

}  // namespace hairpin
