// What other engines have left in force in the kernel, where it comes before ours, or after it.
#pragma once

#include <string>
#include <vector>

#include "daemon/events.h"
#include "engines/engine.h"
#include "engines/registry.h"

namespace hairpin {

class Remains {
public:
    // `ours` serves: what others have left is cleared, as by `hairpin clear`, but for what another process has in
    // force. Tells of both. Whether anything was, or nearly: then sysctls may be as they were before, which ours needs.
    bool clear(const Engine& ours, Events& events);

    // Of what could not be cleared, that which is in force now, and what to do.
    std::vector<std::string> problems() const;

private:
    struct Left {
        const EngineEntry* entry;
        std::string why;  // it could not be cleared; empty: another process had it in force

        std::string problem(const Engine& engine) const;
    };

    bool clear(const EngineEntry& entry, Events& events);

    std::vector<Left> left_;
};

}  // namespace hairpin
