#include "lab/report.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "lab/canvas.h"

namespace hairpin::lab {
namespace {

constexpr size_t columns = 7;
using Cells = std::array<std::string, columns>;
constexpr Cells headings_of_table() {
    return {"path", "client", "endpoint", "backend", "source seen", "expected", "verdict"};
}

std::string_view style_of(Verdict verdict) {
    switch (verdict) {
        case Verdict::ok:
            return "32";
        case Verdict::failed:
            return "1;31";
        case Verdict::gap:
            return "33";
    }
    return {};
}

Cells cells_of(const Row& row) {
    return {row.path,
            row.client + " " + row.client_address.ip.str(),
            std::string(name(row.protocol)) + " " + row.endpoint.str(),
            row.server + " " + row.backend.str(),
            row.seen.empty() ? "-" : row.seen,
            row.expected,
            std::string(name(row.verdict))};
}

std::string summary(std::span<const Row> rows, bool colour) {
    const auto count = [&](Verdict verdict) {
        return static_cast<size_t>(std::ranges::count(rows, verdict, &Row::verdict));
    };
    std::string text;
    if (count(Verdict::failed) > 0) {
        text = std::to_string(count(Verdict::failed)) + " of " + std::to_string(rows.size()) + " failed";
    } else {
        text = "all " + std::to_string(count(Verdict::ok)) + " hold";
    }
    text = styled(text, style_of(holds(rows) ? Verdict::ok : Verdict::failed), colour);
    if (count(Verdict::gap) > 0) {
        text += ", " +
                styled(std::to_string(count(Verdict::gap)) + " the engine cannot do", style_of(Verdict::gap), colour);
    }
    return text;
}

}  // namespace

bool holds(std::span<const Row> rows) {
    return std::ranges::none_of(rows, [](const Row& row) { return row.verdict == Verdict::failed; });
}

std::string table(std::span<const Row> rows, bool colour) {
    const Cells headings = headings_of_table();
    std::array<size_t, columns> widths{};
    const auto measure = [&](const Cells& cells) {
        for (size_t i = 0; i < columns; ++i) widths[i] = std::max(widths[i], width_of(cells[i]));
    };
    measure(headings);
    for (const Row& row : rows) measure(cells_of(row));

    // The last column is not filled up, so no line ends in blanks.
    const auto line = [&](const Cells& cells, std::string_view style, std::string_view last_style) {
        std::string text;
        for (size_t i = 0; i + 1 < columns; ++i) {
            text += cells[i] + std::string(widths[i] - width_of(cells[i]) + 2, ' ');
        }
        return styled(text, style, colour) + styled(cells.back(), last_style, colour);
    };
    std::string text = line(headings, "1", "1") + "\n";
    for (const Row& row : rows) {
        text += line(cells_of(row), {}, style_of(row.verdict));
        if (!row.message.empty()) text += ": " + row.message;
        text += "\n";
    }
    return text + summary(rows, colour) + "\n";
}

std::string json(const Plan& plan, std::span<const Row> rows, std::span<const std::string> gaps) {
    using Json = nlohmann::ordered_json;
    Json hosts = Json::array();
    for (const HostPlan& host : plan.hosts) {
        Json addresses = Json::array();
        for (const Address& own : host.addresses) {
            addresses.push_back(own.ip.str() + "/" + std::to_string(own.prefix_length));
        }
        hosts.push_back({{"name", host.name}, {"addresses", std::move(addresses)}});
    }
    Json lines = Json::array();
    for (const Row& row : rows) {
        lines.push_back({{"path", row.path},
                         {"service", row.service},
                         {"protocol", name(row.protocol)},
                         {"client", row.client},
                         {"client_address", row.client_address.str()},
                         {"endpoint", row.endpoint.str()},
                         {"server", row.server},
                         {"backend", row.backend.str()},
                         {"source_seen", row.seen.empty() ? Json() : Json(row.seen)},
                         {"source_expected", row.expected},
                         {"verdict", name(row.verdict)},
                         {"message", row.message}});
    }
    const Json all = {{"holds", holds(rows)},
                      {"hosts", std::move(hosts)},
                      {"rows", std::move(lines)},
                      {"notes", plan.notes},
                      {"gaps", gaps}};
    return all.dump(2);
}

}  // namespace hairpin::lab
