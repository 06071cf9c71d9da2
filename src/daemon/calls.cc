#include "daemon/calls.h"

#include <utility>

#include "daemon/process.h"

namespace hairpin {

void Calls::call(std::function<void()> work) {
    std::packaged_task<void()> task(std::move(work));
    auto done = task.get_future();
    {
        const std::lock_guard lock(mutex_);
        if (closed_) throw std::future_error(std::future_errc::broken_promise);
        waiting_.push_back(std::move(task));
    }
    wake_daemon();
    done.get();
}

void Calls::answer() {
    std::vector<std::packaged_task<void()>> tasks;
    {
        const std::lock_guard lock(mutex_);
        tasks.swap(waiting_);
    }
    for (auto& task : tasks) task();
}

void Calls::close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    waiting_.clear();
}

}  // namespace hairpin
