// Ctrl-C and its like, for a command that goes on until then.
#pragma once

#include <chrono>
#include <csignal>

#include "base/fd.h"

namespace hairpin {

// Taken where there is time for it, for as long as this object lives: what must be restored is, however it ends.
class Interruption {
public:
    Interruption();
    ~Interruption();
    Interruption(const Interruption&) = delete;
    Interruption& operator=(const Interruption&) = delete;

    // Whether it is asked for within this time.
    bool comes(std::chrono::milliseconds within) const;
    int descriptor() const { return asked_.get(); }  // readable: it is asked for

private:
    sigset_t usual_{};
    Fd asked_;
};

}  // namespace hairpin
