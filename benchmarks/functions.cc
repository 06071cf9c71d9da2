#include "functions.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "shell.h"

namespace hairpin::bench {

Result<std::vector<std::pair<std::string, double>>> measure_functions(int repetitions) {
    const std::string output = printed_by(
        fmt::format("{} --benchmark_format=json --benchmark_repetitions={} --benchmark_report_aggregates_only=true "
                    "2>/dev/null",
                    HAIRPIN_MICRO, repetitions));
    const auto json = nlohmann::json::parse(output, nullptr, false);
    if (json.is_discarded() || !json.contains("benchmarks"))
        return Error{"what benchmarks/micro printed cannot be read"};
    std::vector<std::pair<std::string, double>> medians;
    for (const auto& benchmark : json["benchmarks"]) {
        if (benchmark.value("aggregate_name", "") != "median") continue;
        const std::string unit = benchmark.value("time_unit", "ns");
        const double scale = unit == "ms" ? 1e-3 : unit == "us" ? 1e-6 : 1e-9;
        medians.emplace_back(benchmark.value("run_name", ""), benchmark.value("cpu_time", 0.0) * scale);
    }
    return medians;
}

}  // namespace hairpin::bench
