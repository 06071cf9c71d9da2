#include "model/maglev.h"

#include <algorithm>
#include <iterator>
#include <limits>

namespace hairpin {
namespace {

constexpr auto sizes = std::to_array<size_t>({4099, 16411, 65537});

constexpr uint16_t nobody = std::numeric_limits<uint16_t>::max();

}  // namespace

Preference preference(std::string_view name, size_t size) {
    const std::span key(reinterpret_cast<const uint8_t*>(name.data()), name.size());
    return {jhash(key, 1) % size, jhash(key, 2) % (size - 1) + 1};
}

Slots maglev(std::span<const Preference> preferences, const Slots& turns, size_t size) {
    Slots table(size, nobody);
    std::vector<size_t> next;
    for (const Preference& preference : preferences) next.push_back(preference.offset);
    for (size_t taken = 0; taken < size; ++taken) {
        const uint16_t backend = turns[taken % turns.size()];
        size_t& slot = next[backend];
        while (table[slot] != nobody) slot = (slot + preferences[backend].skip) % size;
        table[slot] = backend;
    }
    return table;
}

size_t maglev_size(size_t turns) {
    const auto* enough = std::ranges::lower_bound(sizes, 500 * turns);
    return enough == sizes.end() ? sizes.back() : *enough;
}

}  // namespace hairpin
