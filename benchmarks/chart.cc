// The chart of a report: for each rate, a bar for each contestant, as a ratio to `direct`.
#include <fmt/format.h>

#include "report.h"

namespace hairpin::bench {
namespace {

constexpr int label_width = 190;
constexpr int width_of_direct = 420;
constexpr int bar_height = 9;
constexpr int row_gap = 10;
constexpr int top = 60;
constexpr double longest = 1.5;  // a longer bar is cut

struct Series {
    Contestant contestant;
    std::string_view colour;
};
constexpr auto series = std::to_array<Series>({{Contestant::nftables, "#9aa5b1"},
                                               {Contestant::hairpin_nft, "#1b7f5c"},
                                               {Contestant::hairpin_tc, "#5b3f9c"},
                                               {Contestant::hairpin_xdp, "#b04a9c"},
                                               {Contestant::haproxy, "#c9b8a0"},
                                               {Contestant::nginx, "#b5896a"},
                                               {Contestant::hairpin_proxy, "#2f6fc4"}});

std::string text_at(int x, int y, std::string_view anchor, const std::string& text) {
    return fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"{}\">{}</text>\n", x, y, anchor, text);
}

std::string box(int x, int y, int width, std::string_view colour) {
    return fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\"/>\n", x, y, width,
                       bar_height - 1, colour);
}

}  // namespace

std::string Report::svg() const {
    std::string body;
    int y = top;
    for (const Key& key : results.keys()) {
        const auto* direct = results.find(key, Contestant::direct);
        if (!more_is_better(key.metric) || direct == nullptr) continue;
        const int first = y;
        for (const auto& [contestant, colour] : series) {
            const auto* values = results.find(key, contestant);
            if (values == nullptr) continue;
            const double ratio = ratio_of(*values, *direct).median;
            const int width = static_cast<int>(std::min(ratio, longest) * width_of_direct);
            body += box(label_width, y, width, colour);
            body += text_at(label_width + width + 4, y + bar_height - 1, "start", fmt::format("{:.2f}", ratio));
            y += bar_height;
        }
        if (y == first) continue;
        body += text_at(label_width - 8, (first + y + bar_height) / 2 - 1, "end",
                        fmt::format("{}, {}", key.measure, name(key.path)));
        y += row_gap;
    }
    std::string legend;
    int x = label_width;
    for (const auto& [contestant, colour] : series) {
        legend += box(x, 26, bar_height, colour) + text_at(x + 13, 34, "start", std::string(name(contestant)));
        x += 110;
    }
    const int at_direct = label_width + width_of_direct;
    const int width = label_width + static_cast<int>(width_of_direct * longest) + 50;
    return fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" "
        "font-family=\"sans-serif\" font-size=\"10\" fill=\"#333\">\n"
        "<rect width=\"{0}\" height=\"{1}\" fill=\"#fff\"/>\n{2}{3}"
        "<line x1=\"{4}\" y1=\"{5}\" x2=\"{4}\" y2=\"{6}\" stroke=\"#333\" stroke-dasharray=\"3 3\"/>\n{7}{8}</svg>\n",
        width, y + 10, text_at(label_width, 16, "start", "Rate as a ratio to no load balancer; longer is better"),
        legend, at_direct, top - 8, y, text_at(at_direct, top - 12, "middle", "direct = 1"), body);
}

}  // namespace hairpin::bench
