#include "model/health_check.h"

#include <charconv>

namespace hairpin {
namespace {

// Three digits and no more; nothing: it is none.
std::optional<uint16_t> status_of(std::string_view text) {
    uint16_t number = 0;
    const auto [end, error] = std::from_chars(text.begin(), text.end(), number);
    const bool good = text.size() == 3 && error == std::errc() && end == text.end() && 100 <= number && number <= 599;
    return good ? std::optional(number) : std::nullopt;
}

}  // namespace

Result<StatusRange> StatusRange::parse(std::string_view text) {
    const size_t dash = text.find('-');
    const auto first = status_of(text.substr(0, dash));
    const auto last = dash == text.npos ? first : status_of(text.substr(dash + 1));
    if (first && last && *first <= *last) return StatusRange{*first, *last};
    return Error{"'" + std::string(text) + "' is no HTTP status: write 100 to 599, or a range of them, as in 200-399"};
}

std::string StatusRange::str() const {
    return first == last ? std::to_string(first) : std::to_string(first) + "-" + std::to_string(last);
}

}  // namespace hairpin
