// The kernel's settings under /proc/sys, in the network namespace of the calling thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace hairpin {

// `key` as sysctl(8) takes it, "net.ipv4.ip_forward" or "net/ipv4/ip_forward"; in the latter, dots stand
// for themselves, as names of links have them. A key that does not exist is an error.
Result<std::string> read_sysctl(std::string_view key);
Result<> write_sysctl(std::string_view key, std::string_view value);

}  // namespace hairpin
