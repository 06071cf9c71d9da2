#include "daemon/judgement.h"

#include <spdlog/spdlog.h>

#include "daemon/gap_report.h"
#include "model/as_written.h"

namespace hairpin {

std::vector<std::string> faults(const Config& config, std::span<const Service> services, const Topology& topology) {
    std::vector<std::string> reasons;
    for (const Diagnostic& diagnostic : config.errors) reasons.push_back(diagnostic.str());
    if (!reasons.empty()) return reasons;
    for (const Problem& problem : validate(services, &topology)) {
        if (is_passing(services, problem)) continue;  // that address is left out, and told of
        reasons.push_back(config.at(problem.place, problem.message).str());
    }
    return reasons;
}

std::vector<std::string> fatal_gaps(const Config& config, const Engine& engine, const Ruleset& ruleset) {
    std::vector<std::string> fatal;
    for (const Gap& gap : engine.gaps(ruleset)) {
        std::string message = locate(config, engine.name(), gap).str();
        if (gap.fatal) {
            fatal.push_back(std::move(message));
        } else {
            spdlog::log(gap.closes ? spdlog::level::warn : spdlog::level::info, message);
        }
    }
    return fatal;
}

}  // namespace hairpin
