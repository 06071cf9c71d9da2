// Text drawn on a grid of characters. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hairpin::lab {

// Grows as it is drawn on. Columns count characters, not bytes; every character is one column wide.
class Canvas {
public:
    void text(size_t row, size_t column, std::string_view utf8, std::string_view style = {});
    // A frame with `title` in its upper edge around `height` rows of `width` columns, its upper left corner at the
    // place.
    void box(size_t row, size_t column, size_t height, size_t width, std::string_view title);
    void horizontal(size_t row, size_t from, size_t to);  // both ends included
    void vertical(size_t column, size_t from, size_t to);

    // Lines without trailing blanks. `colour`: with the styles, which are SGR parameters such as "1;32".
    std::string str(bool colour) const;

private:
    struct Cell {
        std::string character = " ";
        std::string style;
    };
    Cell& at(size_t row, size_t column);

    std::vector<std::vector<Cell>> rows_;
};

// Characters of a UTF-8 text.
size_t width_of(std::string_view utf8);

// The text in a style if `colour`, as it is otherwise.
std::string styled(std::string_view text, std::string_view style, bool colour);

}  // namespace hairpin::lab
