// A small file for other daemons to read: whole, or as it was before.
#pragma once

#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace hairpin {

// Empty: there is none. Trusts no file that another user has put there.
Result<std::string> read_state(const std::string& path);

// Replaces all of it or, after an error, nothing. It outlives a crash of the machine.
Result<> write_state(const std::string& path, std::string_view text);

// Likewise, but for as long as the process lives: the file is held while the descriptor is open.
Result<Fd> hold_state(const std::string& path, std::string_view text);

// Whether a process holds it; true as well where one has replaced or removed it just now.
bool is_held(const std::string& path);

}  // namespace hairpin
