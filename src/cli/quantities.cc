#include "cli/quantities.h"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>

namespace hairpin {

using nlohmann::json;

std::string age_text(const json& milliseconds) {
    if (milliseconds.is_null()) return "-";
    const auto seconds = milliseconds.get<double>() / 1000;
    if (seconds < 10) return fmt::format("{:.1f} s", seconds);
    if (seconds < 120) return fmt::format("{:.0f} s", seconds);
    if (seconds < 7200) return fmt::format("{:.0f} m", seconds / 60);
    if (seconds < 172800) return fmt::format("{:.0f} h", seconds / 3600);
    return fmt::format("{:.0f} d", seconds / 86400);
}

std::string bytes_text(const json& bytes) {
    if (bytes.is_null()) return "-";
    constexpr std::array units = {"KiB", "MiB", "GiB", "TiB"};
    auto amount = bytes.get<double>();
    if (amount < 1024) return fmt::format("{} B", bytes.get<uint64_t>());
    size_t unit = 0;
    for (amount /= 1024; amount >= 1024 && unit + 1 < units.size(); amount /= 1024) ++unit;
    return fmt::format("{:.1f} {}", amount, units[unit]);
}

}  // namespace hairpin
