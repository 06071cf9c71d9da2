// The text of single values to what they mean, and words for what is wrong with them.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/names.h"
#include "base/result.h"

namespace hairpin {

// "250ms", "30s", "5m", "2h": a whole number and a unit, from `least` to `most`; `least` is not negative.
Result<std::chrono::milliseconds> parse_duration(std::string_view text, std::chrono::milliseconds least,
                                                 std::chrono::milliseconds most);
std::string duration_text(std::chrono::milliseconds duration);  // in the largest unit that leaves a whole number

// A whole number of decimal digits from `least` to `most`; `least` is not negative.
Result<int64_t> parse_count(std::string_view text, int64_t least, int64_t most);

// Printable ASCII, so it can stand in a message as it is.
bool is_printable(std::string_view text);

// What was written, for a message: in quotes, shortened to a line, '?' for each character that is not printable ASCII.
std::string in_quotes(std::string_view text);

// "a, b or c"
std::string either(std::span<const std::string_view> words);

// An enumerator by its name.
template <class E>
Result<E> parse_name(std::string_view text) {
    if (const auto value = from_name<E>(text)) return *value;
    return Error{in_quotes(text) + " is not " + either(names_of<E>)};
}

// The word that was probably meant, if any is near: two slips of the finger, fewer in a short word.
std::optional<std::string_view> nearest(std::string_view word, std::span<const std::string_view> words);

}  // namespace hairpin
