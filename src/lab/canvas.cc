#include "lab/canvas.h"

#include <algorithm>

namespace hairpin::lab {
namespace {

bool begins_character(char byte) { return (static_cast<unsigned char>(byte) & 0xc0) != 0x80; }

constexpr std::string_view frame_style = "2";
constexpr std::string_view title_style = "1";

}  // namespace

size_t width_of(std::string_view utf8) { return static_cast<size_t>(std::ranges::count_if(utf8, begins_character)); }

std::string styled(std::string_view text, std::string_view style, bool colour) {
    if (!colour || style.empty()) return std::string(text);
    return "\033[" + std::string(style) + "m" + std::string(text) + "\033[0m";
}

Canvas::Cell& Canvas::at(size_t row, size_t column) {
    if (rows_.size() <= row) rows_.resize(row + 1);
    if (rows_[row].size() <= column) rows_[row].resize(column + 1);
    return rows_[row][column];
}

void Canvas::text(size_t row, size_t column, std::string_view utf8, std::string_view style) {
    while (!utf8.empty()) {
        size_t size = 1;
        while (size < utf8.size() && !begins_character(utf8[size])) ++size;
        at(row, column++) = {std::string(utf8.substr(0, size)), std::string(style)};
        utf8.remove_prefix(size);
    }
}

void Canvas::box(size_t row, size_t column, size_t height, size_t width, std::string_view title) {
    const size_t right = column + width + 1;
    const size_t bottom = row + height + 1;
    horizontal(row, column, right);
    horizontal(bottom, column, right);
    vertical(column, row, bottom);
    vertical(right, row, bottom);
    text(row, column, "╭", frame_style);
    text(row, right, "╮", frame_style);
    text(bottom, column, "╰", frame_style);
    text(bottom, right, "╯", frame_style);
    text(row, column + 2, " " + std::string(title) + " ", title_style);
}

void Canvas::horizontal(size_t row, size_t from, size_t to) {
    for (size_t column = from; column <= to; ++column) text(row, column, "─", frame_style);
}

void Canvas::vertical(size_t column, size_t from, size_t to) {
    for (size_t row = from; row <= to; ++row) text(row, column, "│", frame_style);
}

std::string Canvas::str(bool colour) const {
    std::string all;
    for (const auto& row : rows_) {
        size_t end = row.size();
        while (end > 0 && row[end - 1].character == " ") --end;
        for (size_t i = 0; i < end;) {
            size_t next = i;
            std::string run;
            while (next < end && row[next].style == row[i].style) run += row[next++].character;
            all += styled(run, row[i].style, colour);
            i = next;
        }
        all += '\n';
    }
    return all;
}

}  // namespace hairpin::lab
