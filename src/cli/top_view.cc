#include "cli/top_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <vector>

#include "cli/quantities.h"
#include "cli/table.h"

namespace hairpin {
namespace {

using nlohmann::json;

constexpr std::array counters = {"accepted", "refused", "bytes_to_backends", "bytes_to_clients"};
using Rates = std::array<double, counters.size()>;  // a second

struct Line {
    const json* service;
    Rates rates{};

    // By bytes, then by what else happens.
    bool busier_than(const Line& other) const {
        const auto key = [](const Line& line) {
            return std::array{line.rates[2] + line.rates[3], line.rates[0] + line.rates[1],
                              line.service->at("active").get<double>()};
        };
        return key(*this) > key(other);
    }
};

// A gateway that has begun anew counts from 0: nothing is known of it yet, and so of a service that is new.
Rates rates_of(const json& service, const json* before, double seconds) {
    Rates rates{};
    if (!before) return rates;
    for (size_t i = 0; i < counters.size(); ++i) {
        const double grown = service.at(counters[i]).get<double>() - before->at(counters[i]).get<double>();
        rates[i] = std::max(0.0, grown / seconds);
    }
    return rates;
}

Row cells_of(const Line& line) {
    const auto number = [&](const char* key) { return std::to_string(line.service->at(key).get<uint64_t>()); };
    const auto bytes = [](double rate) { return bytes_text(static_cast<uint64_t>(rate)) + "/s"; };
    return {line.service->at("service").get<std::string>(),
            number("backends_up") + "/" + number("backends"),
            number("active"),
            fmt::format("{:.0f}", line.rates[0]),
            fmt::format("{:.0f}", line.rates[1]),
            bytes(line.rates[2]),
            bytes(line.rates[3])};
}

// The busiest first.
std::vector<Line> lines_of(const json& before, const json& now, std::chrono::duration<double> apart) {
    std::map<std::string, const json*> known;
    for (const json& service : before.at("services")) known.emplace(service.at("service").get<std::string>(), &service);
    std::vector<Line> lines;
    for (const json& service : now.at("services")) {
        const auto found = known.find(service.at("service").get<std::string>());
        lines.push_back({&service, rates_of(service, found == known.end() ? nullptr : found->second, apart.count())});
    }
    std::ranges::stable_sort(lines, [](const Line& a, const Line& b) { return a.busier_than(b); });
    return lines;
}

}  // namespace

std::string top_table(const json& before, const json& now, std::chrono::duration<double> apart) {
    std::vector<Row> rows = {{"service", "up", "active", "new/s", "refused/s", "to backends", "to clients"}};
    for (const Line& line : lines_of(before, now, apart)) rows.push_back(cells_of(line));
    return table(rows, {1, 2, 3, 4, 5, 6});
}

nlohmann::ordered_json top_json(const json& before, const json& now, std::chrono::duration<double> apart) {
    auto services = nlohmann::ordered_json::array();
    for (const Line& line : lines_of(before, now, apart)) {
        auto& shown = services.emplace_back();
        for (const char* key : {"service", "backends_up", "backends", "active"}) shown[key] = line.service->at(key);
        for (size_t i = 0; i < counters.size(); ++i) shown[fmt::format("{}_per_second", counters[i])] = line.rates[i];
    }
    return {{"seconds", apart.count()}, {"services", std::move(services)}};
}

}  // namespace hairpin
