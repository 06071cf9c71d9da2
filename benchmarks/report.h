// What was measured, for people and for programs. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/result.h"
#include "environment.h"
#include "measures.h"
#include "results.h"

namespace hairpin::bench {

struct Report {
    Environment environment;
    std::vector<Measure> measures;
    Results results;
    std::vector<std::pair<std::string, double>> micro;  // benchmark, seconds
    std::string micro_gap;                              // why there are none

    std::string markdown() const;
    std::string json() const;  // all there is, but for `measures` and why there is no `micro`
    static Result<Report> parse(const std::string& text);
    std::string svg() const;  // rates and throughput as ratios to `direct`

private:
    std::string title_of(const std::string& measure) const;
};

}  // namespace hairpin::bench
