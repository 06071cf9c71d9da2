// What work costs, however long others on a busy machine keep it waiting.
#pragma once

#include <chrono>
#include <ctime>

namespace hairpin {

// The time that this thread has had of the processors.
inline std::chrono::nanoseconds thread_time() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace hairpin
