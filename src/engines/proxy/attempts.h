// The backends that one connection or session is tried with, one after the other, each once.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "model/balance.h"
#include "model/translate.h"

namespace hairpin::proxy {

// Those that the slots name, from the slot `first` on. `slots` must last as long.
class Attempts {
public:
    Attempts(const Slots& slots, size_t first) : slots_(&slots), at_(first) {}

    bool none() const { return slots_->empty(); }  // there is nobody to try
    // Nothing: all of them have been tried.
    std::optional<Choice> next();

private:
    const Slots* slots_;
    size_t at_;
    size_t passed_ = 0;
    std::vector<bool> tried_;
};

// Why, then.
inline constexpr std::string_view nobody_takes_flows = "all backends are down, or take no new flows (weight: 0)";

}  // namespace hairpin::proxy
