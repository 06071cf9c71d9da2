// Which of several backends a client gets.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "model/ip.h"

namespace hairpin {

enum class Balance : uint8_t {
    round_robin,        // one backend after the other, whoever asks
    source_hash,        // by the client's address: the same backend for all its flows, in every engine
    maglev,             // so too, and a backend that comes or goes moves few clients of the others
    least_connections,  // the one with the fewest live flows for its weight; of several such, in turn
};
template <>
inline constexpr auto names_of<Balance> = std::to_array<std::string_view>({"round_robin", "source_hash", "maglev",
                                                                           "least_connections"});

// Whether the client's address alone decides.
constexpr bool is_by_source(Balance balance) { return balance == Balance::source_hash || balance == Balance::maglev; }

// Every balance is one sequence: each slot names a backend, by its index. Round robin walks through the slots, a hash
// points at one of them; least connections walks, too, among those that are equally busy.
using Slots = std::vector<uint16_t>;
inline constexpr size_t most_backends = 65'535;  // that a slot can name

// What the hash begins with. Part of what users see: another value moves clients to other backends.
inline constexpr uint32_t source_hash_seed = 0x68616972;

// The slot of a client among `slots`, of which there is one at least. Any change of their number moves most clients.
// Pure; the same as nft(8)'s `jhash ip saddr mod SLOTS seed SEED` (nft_hash.c) on the same machine.
size_t source_hash(const Ip& client, size_t slots);

// Turns in proportion to the weights, as evenly spread as they can be: nginx's smooth weighted round robin. Equal
// weights give 0, 1, 2, ...; those of 0 have no turn. Weights count as a ratio: 2 and 4 are 1 and 2. Where that would
// take more than `most_turns`, they are made smaller, down to 1.
Slots turns(std::span<const uint32_t> weights);
inline constexpr size_t most_turns = 1 << 14;

// Bob Jenkins' lookup3 as Linux has it (include/linux/jhash.h).
uint32_t jhash(std::span<const uint8_t> key, uint32_t seed);

}  // namespace hairpin
