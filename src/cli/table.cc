#include "cli/table.h"

#include <fmt/format.h>

#include <algorithm>

namespace hairpin {

std::string table(const std::vector<Row>& rows, const std::vector<size_t>& numbers) {
    const size_t columns = rows.front().size();
    std::vector<size_t> widths(columns);
    for (const Row& row : rows) {
        for (size_t i = 0; i < columns; ++i) widths[i] = std::max(widths[i], row[i].size());
    }
    std::string text;
    for (const Row& row : rows) {
        for (size_t i = 0; i < columns; ++i) {
            const bool last = i + 1 == columns;
            if (std::ranges::count(numbers, i) > 0) {
                text += fmt::format("{:>{}}", row[i], widths[i]);
            } else {
                text += fmt::format("{:<{}}", row[i], last ? 0 : widths[i]);
            }
            text += last ? "\n" : "  ";
        }
    }
    return text;
}

}  // namespace hairpin
