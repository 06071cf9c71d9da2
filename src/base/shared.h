// A value, or none, that all its copies share: cheap to copy, and equal where the values are.
#pragma once

#include <memory>
#include <utility>

namespace hairpin {

// Immutable, so threads may share it.
template <class T>
class Shared {
public:
    Shared() = default;
    Shared(T value) : value_(std::make_shared<const T>(std::move(value))) {}

    explicit operator bool() const { return value_ != nullptr; }
    const T& operator*() const { return *value_; }  // precondition of these two: there is a value
    const T* operator->() const { return value_.get(); }

    bool operator==(const Shared& other) const {
        return value_ == other.value_ || (value_ && other.value_ && *value_ == *other.value_);
    }

private:
    std::shared_ptr<const T> value_;
};

}  // namespace hairpin
