#include "engines/registry.h"

#include <algorithm>
#include <array>

#include "engines/nft/nft_engine.h"
#include "engines/proxy/proxy_engine.h"

namespace hairpin {
namespace {

constexpr std::array entries = {
    EngineEntry{"proxy", "user space, no privileges, runs anywhere", make_proxy_engine},
    EngineEntry{"nft", "the kernel's NAT, which keeps clients' addresses", make_nft_engine},
};

}  // namespace

std::span<const EngineEntry> engines() { return entries; }

const EngineEntry* find_engine(std::string_view name) {
    const auto entry = std::ranges::find(entries, name, &EngineEntry::name);
    return entry == entries.end() ? nullptr : &*entry;
}

}  // namespace hairpin
