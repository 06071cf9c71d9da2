// A sentence of the system's that goes on within one of ours.
#pragma once

#include <string>

namespace hairpin {

// With a small first letter.
inline std::string in_lower_case(std::string text) {
    if (!text.empty() && 'A' <= text[0] && text[0] <= 'Z') text[0] = static_cast<char>(text[0] - 'A' + 'a');
    return text;
}

}  // namespace hairpin
