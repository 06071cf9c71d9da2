#include "config/values.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>
#include <vector>

namespace hairpin {
namespace {

using std::chrono::milliseconds;

struct Unit {
    std::string_view name;
    milliseconds length;
};
constexpr auto units = std::to_array<Unit>({
    {"h", std::chrono::hours(1)},
    {"m", std::chrono::minutes(1)},
    {"s", std::chrono::seconds(1)},
    {"ms", milliseconds(1)},
});

constexpr size_t longest_quote = 64;  // bytes
constexpr size_t longest_word = 32;   // bytes; nobody's slip of the finger is longer

// How many characters must be typed, deleted or changed to make one of the other (Levenshtein).
size_t edit_distance(std::string_view from, std::string_view to) {
    std::vector<size_t> row(to.size() + 1);
    for (size_t j = 0; j < row.size(); ++j) row[j] = j;
    for (size_t i = 0; i < from.size(); ++i) {
        size_t diagonal = std::exchange(row[0], i + 1);
        for (size_t j = 0; j < to.size(); ++j) {
            const size_t changed = diagonal + (from[i] == to[j] ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = std::min({changed, row[j] + 1, row[j + 1] + 1});
        }
    }
    return row.back();
}

bool has_leading_zero(std::string_view text) {
    return text.size() > 1 && text[0] == '0' && '0' <= text[1] && text[1] <= '9';
}

}  // namespace

Result<milliseconds> parse_duration(std::string_view text, milliseconds least, milliseconds most) {
    int64_t number = 0;
    const auto [end, error] = std::from_chars(text.begin(), text.end(), number);
    const std::string_view suffix(end, text.end());
    const bool is_number = end != text.begin() && text.front() != '-' && !has_leading_zero(text);
    if (is_number && suffix.empty()) {
        return Error{in_quotes(text) + " lacks a unit: write ms, s, m or h behind the number, as in 30s"};
    }
    const auto unit = std::ranges::find(units, suffix, &Unit::name);
    if (!is_number || unit == units.end()) {
        return Error{in_quotes(text) + " is not a duration: write a whole number and ms, s, m or h, as in 250ms or 5m"};
    }
    const bool fits = error == std::errc() && number <= most / unit->length;  // no overflow below
    if (!fits || number * unit->length < least) {
        return Error{in_quotes(text) + " is out of range: write " + duration_text(least) + " to " +
                     duration_text(most)};
    }
    return number * unit->length;
}

std::string duration_text(milliseconds duration) {
    if (duration == milliseconds(0)) return "0s";
    const auto unit =
        std::ranges::find_if(units, [&](const Unit& u) { return duration % u.length == milliseconds(0); });
    return std::to_string(duration / unit->length) + std::string(unit->name);
}

Result<int64_t> parse_count(std::string_view text, int64_t least, int64_t most) {
    int64_t number = 0;
    const auto [end, error] = std::from_chars(text.begin(), text.end(), number);
    if (end == text.begin() || end != text.end()) return Error{in_quotes(text) + " is not a whole number"};
    if (has_leading_zero(text)) return Error{in_quotes(text) + " begins with a zero, which YAML takes for octal"};
    if (error != std::errc() || number < least || number > most) {
        return Error{in_quotes(text) + " is out of range: write " + std::to_string(least) + " to " +
                     std::to_string(most)};
    }
    return number;
}

bool is_printable(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return ' ' <= c && c <= '~'; });
}

std::string in_quotes(std::string_view text) {
    std::string quote = "'";
    for (const char c : text.substr(0, longest_quote)) {
        const bool continues_character = (c & 0xc0) == 0x80;
        if (!continues_character) quote += is_printable({&c, 1}) ? c : '?';
    }
    if (text.size() > longest_quote) quote += "...";
    return quote + "'";
}

std::string either(std::span<const std::string_view> words) {
    std::string list;
    for (size_t i = 0; i < words.size(); ++i) {
        if (i > 0) list += i + 1 < words.size() ? ", " : " or ";
        list += words[i];
    }
    return list;
}

std::optional<std::string_view> nearest(std::string_view word, std::span<const std::string_view> words) {
    if (word.size() > longest_word) return std::nullopt;
    std::optional<std::string_view> best;
    size_t best_distance = std::min<size_t>(2, word.size() / 2) + 1;
    for (const std::string_view candidate : words) {
        const size_t distance = edit_distance(word, candidate);
        if (distance < best_distance) {
            best = candidate;
            best_distance = distance;
        }
    }
    return best;
}

}  // namespace hairpin
