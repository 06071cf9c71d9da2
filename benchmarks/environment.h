// Where and when it was measured.
#pragma once

#include <string>

namespace hairpin::bench {

struct Environment {
    std::string date;  // 2026-11-25, UTC
    std::string kernel;
    std::string cpu;
    unsigned cores = 0;
    std::string congestion_control;
    std::string load;    // of the machine before it began, the average of a minute
    std::string rivals;  // versions
    int rounds = 0;
    double minutes = 0;  // that all of it took

    static Environment now();
};

}  // namespace hairpin::bench
