// What some write in place of an endpoint: a URL, which nothing here takes.
#pragma once

#include <string_view>

namespace hairpin {

inline bool is_url(std::string_view text) { return text.find("://") != text.npos; }

}  // namespace hairpin
