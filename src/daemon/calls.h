// Work that other threads have the daemon's thread do, which alone may ask the engine.
#pragma once

#include <functional>
#include <future>
#include <mutex>
#include <vector>

namespace hairpin {

class Calls {
public:
    // Any thread but the daemon's: returns when the work is done. Throws what the work throws, and std::future_error
    // where the daemon ends first.
    void call(std::function<void()> work);

    // The daemon's thread: does what waits. SIGUSR2 says that something may.
    void answer();

    // The daemon's thread: nothing is answered from now on.
    void close();

private:
    std::mutex mutex_;  // guards what follows
    std::vector<std::packaged_task<void()>> waiting_;
    bool closed_ = false;
};

}  // namespace hairpin
