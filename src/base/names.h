// Enumerators and their spelling: the same word in YAML, JSON, logs and documents.
#pragma once

#include <array>
#include <optional>
#include <string_view>

namespace hairpin {

// An enum E with enumerators 0, 1, 2, ... is given its spellings, in that order, by one line beside its definition:
//     template <> inline constexpr auto names_of<Path> = std::to_array<std::string_view>({"external", "routed"});
template <class E>
inline constexpr std::array<std::string_view, 0> names_of{};

template <class E>
constexpr std::string_view name(E value) {
    static_assert(!names_of<E>.empty(), "give the enum its names_of");
    return names_of<E>[static_cast<size_t>(value)];
}

template <class E>
constexpr std::optional<E> from_name(std::string_view text) {
    for (size_t i = 0; i < names_of<E>.size(); ++i) {
        if (names_of<E>[i] == text) return static_cast<E>(i);
    }
    return std::nullopt;
}

}  // namespace hairpin
