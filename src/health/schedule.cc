#include "health/schedule.h"

#include <algorithm>

namespace hairpin::health {
namespace {

using std::chrono::milliseconds;

constexpr int jitter = 10;  // a tenth
constexpr milliseconds soon{1000};

milliseconds between(milliseconds least, milliseconds most, Generator& generator) {
    return milliseconds(std::uniform_int_distribution<int64_t>(least.count(), most.count())(generator));
}

}  // namespace

milliseconds until_next(milliseconds interval, Generator& generator) {
    return between(interval - interval / jitter, interval, generator);
}

milliseconds until_first(milliseconds interval, Generator& generator) {
    return between(milliseconds(0), std::min(interval, soon), generator);
}

}  // namespace hairpin::health
