#include "cli/flow_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <vector>

namespace hairpin {
namespace {

using nlohmann::json;

constexpr size_t columns = 9;
using Cells = std::array<std::string, columns>;
constexpr size_t first_number = 6;  // columns of numbers are aligned to the right

std::string text(const json& flow, const char* key) { return flow.at(key).get<std::string>(); }

// "812 B", "1.4 MiB"
std::string bytes_text(const json& bytes) {
    if (bytes.is_null()) return "-";
    constexpr std::array units = {"KiB", "MiB", "GiB", "TiB"};
    auto amount = bytes.get<double>();
    if (amount < 1024) return fmt::format("{} B", bytes.get<uint64_t>());
    size_t unit = 0;
    for (amount /= 1024; amount >= 1024 && unit + 1 < units.size(); amount /= 1024) ++unit;
    return fmt::format("{:.1f} {}", amount, units[unit]);
}

Cells cells_of(const json& flow) {
    return {text(flow, "service"),
            text(flow, "path"),
            text(flow, "client"),
            text(flow, "protocol") + " " + text(flow, "asked"),
            text(flow, "source"),
            text(flow, "backend"),
            bytes_text(flow.at("bytes_to_backend")),
            bytes_text(flow.at("bytes_to_client")),
            age_text(flow.at("age_ms"))};
}

int64_t age_of(const json& flow) { return flow.at("age_ms").is_null() ? 0 : flow.at("age_ms").get<int64_t>(); }

}  // namespace

std::string age_text(const json& milliseconds) {
    if (milliseconds.is_null()) return "-";
    const auto seconds = milliseconds.get<double>() / 1000;
    if (seconds < 10) return fmt::format("{:.1f} s", seconds);
    if (seconds < 120) return fmt::format("{:.0f} s", seconds);
    if (seconds < 7200) return fmt::format("{:.0f} m", seconds / 60);
    if (seconds < 172800) return fmt::format("{:.0f} h", seconds / 3600);
    return fmt::format("{:.0f} d", seconds / 86400);
}

std::string flow_table(const json& flows) {
    std::vector<const json*> live;
    bool uncounted = false;
    for (const json& flow : flows) {
        if (flow.at("ended").get<bool>()) continue;
        live.push_back(&flow);
        uncounted |= flow.at("bytes_to_client").is_null() || flow.at("age_ms").is_null();
    }
    std::ranges::stable_sort(live, [](const json* a, const json* b) { return age_of(*a) > age_of(*b); });

    std::vector<Cells> rows = {
        {"service", "path", "client", "endpoint", "seen as", "backend", "to backend", "to client", "age"}};
    for (const json* flow : live) rows.push_back(cells_of(*flow));
    std::array<size_t, columns> widths{};
    for (const Cells& row : rows) {
        for (size_t i = 0; i < columns; ++i) widths[i] = std::max(widths[i], row[i].size());
    }
    std::string table;
    for (const Cells& row : rows) {
        for (size_t i = 0; i < columns; ++i) {
            const char* layout = i < first_number ? "{:<{}}{}" : "{:>{}}{}";
            table += fmt::format(fmt::runtime(layout), row[i], widths[i], i + 1 < columns ? "  " : "\n");
        }
    }
    table += fmt::format("{} {}\n", live.size(), live.size() == 1 ? "flow" : "flows");
    if (uncounted) {
        table +=
            "note: the kernel counts no bytes and no time of what it does not watch so; for flows that begin from "
            "now on: sysctl -w net.netfilter.nf_conntrack_acct=1 net.netfilter.nf_conntrack_timestamp=1\n";
    }
    return table;
}

std::string flow_line(const json& flow) {
    std::string line =
        fmt::format("{}, {} to {} ({}, {}), served by {}", text(flow, "client"), text(flow, "protocol"),
                    text(flow, "asked"), text(flow, "service"), text(flow, "path"), text(flow, "backend"));
    if (!flow.at("age_ms").is_null()) line += fmt::format(", began {} ago", age_text(flow.at("age_ms")));
    return line + (flow.at("ended").get<bool>() ? ", has ended" : "");
}

}  // namespace hairpin
