// Notices that links, addresses or routes of the machine change.
#pragma once

#include <chrono>

#include "base/fd.h"
#include "base/result.h"

namespace hairpin {

// Raises SIGIO in this process for a change in the network namespace it was opened in; block that signal and wait for
// it. Belongs to one thread.
class TopologyWatch {
public:
    static Result<TopologyWatch> open();

    // Whether something has changed since the last call, or does so within `wait`.
    bool changed(std::chrono::milliseconds wait = {}) const;

private:
    explicit TopologyWatch(Fd fd) : fd_(std::move(fd)) {}
    Fd fd_;
};

}  // namespace hairpin
