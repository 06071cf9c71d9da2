// Tables for people.
#pragma once

#include <string>
#include <vector>

namespace hairpin {

using Row = std::vector<std::string>;

// Rows of as many cells as the first, which is the head; columns in the list `numbers` are aligned to the right, and
// the last one ends where its text ends.
std::string table(const std::vector<Row>& rows, const std::vector<size_t>& numbers = {});

}  // namespace hairpin
