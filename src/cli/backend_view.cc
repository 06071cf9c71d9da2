#include "cli/backend_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <vector>

#include "cli/flow_view.h"

namespace hairpin {
namespace {

using nlohmann::json;

constexpr size_t columns = 7;
using Cells = std::array<std::string, columns>;

std::string text(const json& value) { return value.is_null() ? "-" : value.get<std::string>(); }

Cells cells_of(const json& backend) {
    return {text(backend.at("service")),    text(backend.at("backend")), text(backend.at("state")),
            age_text(backend.at("for_ms")), text(backend.at("check")),   backend.at("serving") ? "yes" : "no",
            text(backend.at("reason"))};
}

}  // namespace

std::string backend_table(const json& backends) {
    std::vector<Cells> rows = {{"service", "backend", "state", "for", "check", "serving", "last failure"}};
    for (const json& backend : backends) rows.push_back(cells_of(backend));
    std::array<size_t, columns> widths{};
    for (const Cells& row : rows) {
        for (size_t i = 0; i + 1 < columns; ++i) widths[i] = std::max(widths[i], row[i].size());
    }
    std::string table;
    for (const Cells& row : rows) {
        for (size_t i = 0; i + 1 < columns; ++i) table += fmt::format("{:<{}}  ", row[i], widths[i]);
        table += row.back() + "\n";
    }
    return table;
}

}  // namespace hairpin
