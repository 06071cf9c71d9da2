// Which source ports translated flows may share.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "model/ruleset.h"

namespace hairpin {

// The ports that translated sources may be given: the longest run that no service publishes and no process of the
// gateway listens on (`listening`, in any order), so that a backend's answer never looks like a client of one of those.
// Where it can, it stays among the ports that Linux gives to clients. Nothing: no port is left.
std::optional<PortRange> free_ports(const Ruleset& ruleset, std::span<const uint16_t> listening);

// What an operator is told where they are all in use.
inline constexpr std::string_view how_to_have_more_ports =
    "one more backend or external address adds as many, and source: map needs none";

}  // namespace hairpin
