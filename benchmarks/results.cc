#include "results.h"

#include <fmt/format.h>

#include <algorithm>

namespace hairpin::bench {
namespace {

// Three digits and a prefix: 51.2k, 9.49M.
std::string shortened(double value, std::string_view unit) {
    std::string_view prefix;
    for (const std::string_view next : {"k", "M", "G"}) {
        if (value < 1000) break;
        value /= 1000;
        prefix = next;
    }
    return fmt::format("{:.3g}{}{}", value, prefix, unit);
}

std::string duration(double seconds) {
    if (seconds < 1e-6) return fmt::format("{:.3g} ns", seconds * 1e9);
    if (seconds < 1e-3) return fmt::format("{:.3g} µs", seconds * 1e6);
    if (seconds < 1) return fmt::format("{:.3g} ms", seconds * 1e3);
    return fmt::format("{:.3g} s", seconds);
}

}  // namespace

bool more_is_better(Metric metric) {
    return metric == Metric::rate || metric == Metric::lowest_rate || metric == Metric::throughput;
}

std::string format(Metric metric, double value) {
    switch (metric) {
        case Metric::rate:
        case Metric::lowest_rate:
            return shortened(value, "/s");
        case Metric::throughput:
            return fmt::format("{:.3g} Gbit/s", value / 1e9);
        case Metric::memory:
            return fmt::format("{:.2f} KB", value / 1024);
        case Metric::packet_cost:
        case Metric::connection_cost:
            return fmt::format("{:.2f}x", value);
        case Metric::failed:
            return fmt::format("{:.3g} %", value);
        case Metric::p50:
        case Metric::p99:
        case Metric::time:
        case Metric::engine_time:
        case Metric::packet_time:
        case Metric::bystander_time:
            return duration(value);
        case Metric::proxy_cpu_per_100k:
        case Metric::system_cpu_per_100k:
        case Metric::proxy_cpu_per_gb:
        case Metric::system_cpu_per_gb:
            return fmt::format("{:.2f} s", value);
    }
    return {};
}

Spread spread_of(std::vector<double> values) {
    std::ranges::sort(values);
    const size_t middle = values.size() / 2;
    const double median = values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
    return {median, values.front(), values.back()};
}

Spread ratio_of(const std::vector<double>& values, const std::vector<double>& to) {
    std::vector<double> ratios;
    for (size_t i = 0; i < values.size(); ++i) ratios.push_back(values[i] / to[i]);
    return spread_of(std::move(ratios));
}

void Results::add(const std::string& measure, Path path, Contestant contestant, const Sample& sample) {
    for (const auto& [metric, value] : sample) {
        const Key key{measure, path, metric};
        if (std::ranges::find(keys_, key) == keys_.end()) keys_.push_back(key);
        values_[{key, contestant}].push_back(value);
    }
}

void Results::give_up(const std::string& measure, Path path, Contestant contestant, std::string reason) {
    std::erase_if(values_, [&](const auto& entry) {
        const auto& [key, who] = entry.first;
        return key.measure == measure && key.path == path && who == contestant;
    });
    gaps_.push_back({measure, path, contestant, std::move(reason)});
}

const std::vector<double>* Results::find(const Key& key, Contestant contestant) const {
    const auto found = values_.find({key, contestant});
    return found == values_.end() ? nullptr : &found->second;
}

bool Results::gave_up(const std::string& measure, Path path, Contestant contestant) const {
    return std::ranges::any_of(gaps_, [&](const Gap& gap) {
        return gap.measure == measure && gap.path == path && gap.contestant == contestant;
    });
}

}  // namespace hairpin::bench
