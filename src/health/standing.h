// Rise and fall: from the outcomes of checks to whether a backend is up.
#pragma once

#include <cstdint>

#include "model/health_check.h"

namespace hairpin::health {

// A backend is up until its first check fails, or later `fall` in a row, or clients fail there; it is up again after
// `rise` passed in a row.
class Standing {
public:
    // Takes what one check found. True: the backend has gone up or down.
    bool take(bool passed, const HealthCheck& check);

    // Takes that so many clients in a row have failed there. True: the backend has gone down; it was down else.
    bool knock_down(uint32_t failures);
    // It has been down for long enough: it is as one that nobody has asked yet.
    void forgive() { *this = {}; }

    bool up() const { return up_; }
    bool checked() const { return in_a_row_ > 0; }
    uint32_t in_a_row() const { return in_a_row_; }  // checks that ended as the last one did

private:
    bool up_ = true;
    bool passed_ = true;  // the last check
    uint32_t in_a_row_ = 0;
};

}  // namespace hairpin::health
