// Rise and fall: from the outcomes of checks to whether a backend is up.
#pragma once

#include <cstdint>

#include "model/health_check.h"

namespace hairpin::health {

// A backend is up until its first check fails, or later `fall` in a row; it is up again after `rise` passed in a row.
class Standing {
public:
    // Takes what one check found. True: the backend has gone up or down.
    bool take(bool passed, const HealthCheck& check);

    bool up() const { return up_; }
    bool checked() const { return in_a_row_ > 0; }
    uint32_t in_a_row() const { return in_a_row_; }  // checks that ended as the last one did

private:
    bool up_ = true;
    bool passed_ = true;  // the last check
    uint32_t in_a_row_ = 0;
};

}  // namespace hairpin::health
