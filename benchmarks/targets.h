// What hairpin is held to, and whether it holds. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "results.h"

namespace hairpin::bench {

struct Target {
    Key key;
    Contestant subject = Contestant::hairpin_proxy;
    std::vector<Contestant> rivals;  // the ratio to the best of them counts; none: the figure itself
    double bound = 0;                // at least this, or at most, by the metric
    std::string_view reason = "";    // Markdown: what a profile showed to stand in the way, should it be missed
    bool at_best = false;            // the best round counts: what others took longer was the machine's affair
};

enum class Verdict : uint8_t {
    met,
    mostly,  // met by the median, missed by some round
    close,   // missed by the median, met by some round
    missed,
    unknown,  // not measured
};

struct Judgement {
    Verdict verdict = Verdict::unknown;
    Spread measured;
    std::optional<Contestant> rival;  // the best of them
};

// `congestion_control`: that of the bulk measures but `bulk-reno-*`, on which some bounds depend.
std::vector<Target> all_targets(std::string_view congestion_control);
Judgement judge(const Target& target, const Results& results);
std::string bound_of(const Target& target);  // "at least 1.1x"

}  // namespace hairpin::bench

namespace hairpin {
template <>
inline constexpr auto names_of<bench::Verdict> = std::to_array<std::string_view>({"met", "met, not in all rounds",
                                                                                  "missed, within the spread", "missed",
                                                                                  "not measured"});
}  // namespace hairpin
