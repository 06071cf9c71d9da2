// One process at a time for what there is once in a network namespace.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace hairpin {

// One thread uses it.
class NamespaceLock {
public:
    explicit NamespaceLock(std::string name) : name_(std::move(name)) {}  // 100 bytes at most

    // Holds it from now on, in the calling thread's network namespace: until this object or the process is gone,
    // however that ends. The error says which process holds it, and what to do. One that is being killed is waited for,
    // a second at most.
    Result<> take();

    // Who holds it, at once; 0: a process that cannot be told. Nothing: nobody.
    std::optional<pid_t> owner() const;

private:
    const std::string name_;
    Fd socket_;
};

}  // namespace hairpin
