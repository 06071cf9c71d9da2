#include "engines/nft/links.h"

#include <fmt/format.h>

namespace hairpin::nft {
namespace {

// It knows no way to write a quote within quotes, and a star at the end stands for anything.
bool can_be_spelled(const std::string& name) { return !name.ends_with('*') && name.find('"') == name.npos; }

}  // namespace

Result<> check_links(const Topology& topology) {
    for (const Link& link : topology.links()) {
        if (can_be_spelled(link.name)) continue;
        return Error{fmt::format(
            "link {}: rules cannot name it: give it a name without '\"' and without '*' at its end (ip link "
            "set dev '{}' name NAME), or use engine: proxy",
            link.name, link.name)};
    }
    return {};
}

}  // namespace hairpin::nft
