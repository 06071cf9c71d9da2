// A small file for other daemons to read: whole, or as it was before.
#pragma once

#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace hairpin {

// Empty: there is none. Trusts no file that another user has put there.
Result<std::string> read_state(const std::string& path);

// Replaces all of it or, after an error, nothing. The file is held for as long as its descriptor is open.
Result<Fd> write_state(const std::string& path, std::string_view text);

// Whether the process that wrote it lives and still holds it.
bool is_held(const std::string& path);

}  // namespace hairpin
