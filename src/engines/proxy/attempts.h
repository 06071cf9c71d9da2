// The backends that one connection or session is tried with, one after the other, each once.
#pragma once

#include <optional>
#include <vector>

#include "model/balance.h"
#include "model/translate.h"

namespace hairpin::proxy {

// Those that the slots name, from the slot `first` on. `slots` must last as long.
class Attempts {
public:
    Attempts(const Slots& slots, size_t first) : slots_(&slots), at_(first) {}

    // Nothing: all of them have been tried.
    std::optional<Choice> next();

private:
    const Slots* slots_;
    size_t at_;
    size_t passed_ = 0;
    std::vector<bool> tried_;
};

}  // namespace hairpin::proxy
