// Which of several backends a client gets.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "model/ip.h"

namespace hairpin {

enum class Balance : uint8_t {
    round_robin,  // one backend after the other, whoever asks
    source_hash,  // by the client's address: the same backend for all its flows, in every engine
};
template <>
inline constexpr auto names_of<Balance> = std::to_array<std::string_view>({"round_robin", "source_hash"});

// What the hash begins with. Part of what users see: another value moves clients to other backends.
inline constexpr uint32_t source_hash_seed = 0x68616972;

// The backend of a client among `backends`, of which there is one at least. Any change of their number moves most
// clients. Pure; the same as nft(8)'s `jhash ip saddr mod BACKENDS seed SEED` (nft_hash.c) on the same machine.
size_t source_hash(const Ip& client, size_t backends);

// Bob Jenkins' lookup3 as Linux has it (include/linux/jhash.h).
uint32_t jhash(std::span<const uint8_t> key, uint32_t seed);

}  // namespace hairpin
