// Services and the network around the gateway to the tables that the kernel's half looks things up in. Pure.
#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "engines/bpf/wire.h"
#include "engines/engine.h"

namespace hairpin::bpf {

// Keys are as the kernel sees them: bytes.
template <class T>
std::string_view bytes_of(const T& value) {
    return {reinterpret_cast<const char*>(&value), sizeof value};
}
struct HashOfBytes {
    size_t operator()(const auto& key) const noexcept { return std::hash<std::string_view>()(bytes_of(key)); }
};
struct SameBytes {
    bool operator()(const auto& a, const auto& b) const { return bytes_of(a) == bytes_of(b); }
};
template <class Key, class Value>
using Table = std::unordered_map<Key, Value, HashOfBytes, SameBytes>;

// By map, see kern/maps.h.
struct Tables {
    Table<hp_asked, hp_endpoint> endpoints;
    Table<uint32_t, hp_backend> backends;
    Table<uint32_t, hp_choices> choices;
    Table<hp_client, hp_share> own;
    Table<uint32_t, hp_rules> rules;
    Table<hp_network, uint32_t> networks;
    Table<hp_address, uint32_t> guarded;
    Table<uint32_t, hp_link> links;
    Table<uint32_t, uint64_t> known;
    hp_settings settings{};
};

// Numbers for things that endpoints refer to: the same thing keeps its number while it is in use, and no number is ever
// used again. So a packet that found an endpoint before a change finds what it refers to, or nothing, in which case it
// is lost as if on the way: never something else.
class Numbers {
public:
    explicit Numbers(uint32_t first) : next_(first) {}

    // The first of `size` numbers in a row. `thing`: as bytes.
    uint32_t of(std::string thing, size_t size = 1);
    void forget_unused();  // since the last call

private:
    std::unordered_map<std::string, uint32_t> used_;
    std::unordered_map<std::string, uint32_t> before_;  // and not again so far
    uint32_t next_;
};

// One thread.
class Compiler {
public:
    // `first`: a number that nothing in the kernel has, nor any above it.
    explicit Compiler(uint32_t first)
        : backends_(first),
          choices_(first),
          own_(std::max<uint32_t>(first, 1)),
          rules_(first),
          networks_(std::max<uint32_t>(first, HP_FIRST_LISTED)) {}

    // `ports`: those that translated sources get. `slot_of`: where a service is counted.
    Tables compile(const Desired& desired, PortRange ports, const std::function<uint32_t(const Service&)>& slot_of);

private:
    Numbers backends_;
    Numbers choices_;
    Numbers own_;
    Numbers rules_;
    Numbers networks_;
};

}  // namespace hairpin::bpf
