#include "health/standing.h"

#include <limits>

namespace hairpin::health {

bool Standing::take(bool passed, const HealthCheck& check) {
    const bool first = !checked();
    if (passed != passed_) in_a_row_ = 0;
    passed_ = passed;
    if (in_a_row_ < std::numeric_limits<uint32_t>::max()) ++in_a_row_;
    if (passed == up_ || (!first && in_a_row_ < (passed ? check.rise : check.fall))) return false;
    up_ = passed;
    return true;
}

bool Standing::knock_down(uint32_t failures) {
    if (!up_) return false;
    up_ = passed_ = false;
    in_a_row_ = failures;
    return true;
}

}  // namespace hairpin::health
