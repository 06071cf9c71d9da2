#include "daemon/wording.h"

#include <fmt/format.h>

#include "daemon/status.h"

namespace hairpin {

std::string count(uint64_t number, std::string_view noun) {
    return fmt::format("{} {}{}", number, noun, number == 1 ? "" : "s");
}

std::string span(std::chrono::milliseconds time) {
    if (time.count() % 1000 != 0) return fmt::format("{} ms", time.count());
    return fmt::format("{} s", time.count() / 1000);
}

std::string extent(const Ruleset& ruleset) {
    return count(ruleset.services().size(), "service") + " on " + count(endpoint_count(ruleset.services()), "endpoint");
}

std::string in_short(const std::vector<std::string>& reasons) {
    return reasons.front() + (reasons.size() > 1 ? fmt::format(" (and {} more)", reasons.size() - 1) : "");
}

}  // namespace hairpin
