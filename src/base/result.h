// A value or the Error that stands in its place; never ignored in silence.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace hairpin {

// What went wrong, for a person: "what: where: why; what to do". Made where the failure happens, given context as it
// returns, printed once by the outermost caller.
struct Error {
    std::string message;

    // The same failure seen from one caller further out: "context: message".
    [[nodiscard]] Error within(std::string_view context) const { return {std::string(context) + ": " + message}; }
};

// What an errno means, in words.
std::string describe_errno(int error_number);

// The failure that errno names: "doing: No such file or directory".
Error system_error(std::string_view doing, int error_number);
Error system_error(std::string_view doing);  // with the current errno

// Either a T or an Error. Result<> is success without a value. Not thread-safe, like any value.
template <class T = std::monostate>
class [[nodiscard]] Result {
public:
    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

    explicit operator bool() const { return state_.index() == 0; }
    bool ok() const { return state_.index() == 0; }

    // Precondition of the next five: ok().
    T& value() & { return std::get<0>(state_); }
    const T& value() const& { return std::get<0>(state_); }
    T&& value() && { return std::get<0>(std::move(state_)); }
    T& operator*() & { return std::get<0>(state_); }
    const T& operator*() const& { return std::get<0>(state_); }
    T&& operator*() && { return std::get<0>(std::move(state_)); }
    T* operator->() { return &std::get<0>(state_); }
    const T* operator->() const { return &std::get<0>(state_); }

    // Precondition: !ok().
    const Error& error() const { return std::get<1>(state_); }

private:
    std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<std::monostate> {
public:
    Result() = default;
    Result(Error error) : error_(std::move(error)) {}

    explicit operator bool() const { return !error_; }
    bool ok() const { return !error_; }
    const Error& error() const { return *error_; }

private:
    std::optional<Error> error_;
};

}  // namespace hairpin
