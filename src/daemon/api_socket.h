// Where the API listens: a Unix socket, for a user and a group (mode 0660).
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace hairpin {

// Where root's daemon listens by default.
inline constexpr const char* system_socket = "/run/hairpin/hairpin.sock";

// Where a daemon of this user listens by default; empty: the system gives this user no folder for such things.
std::string default_api_socket();

// Listens there, for this user and for the group of that name; empty: this user's own. The folder is made if only it is
// missing; a socket that a killed daemon left behind is replaced.
Result<Fd> listen_at(const std::string& path, const std::string& group = {});

// Whether a daemon listens there, however busy it is. Does not wait.
bool is_served(const std::string& path);

}  // namespace hairpin
