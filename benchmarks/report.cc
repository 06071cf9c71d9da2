#include "report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "targets.h"

namespace hairpin::bench {
namespace {

using nlohmann::ordered_json;

// The tables, each of some metrics.
struct Table {
    std::string_view heading;
    std::string_view about;
    std::vector<Metric> metrics;
};
const std::vector<Table> tables = {
    {"Rates", "More is better.", {Metric::rate, Metric::lowest_rate, Metric::throughput}},
    {"Latency", "Less is better.", {Metric::p50, Metric::p99}},
    {"CPU time",
     "Less is better. `proxy` is the load balancer's processes, `system` the whole machine with clients and servers.",
     {Metric::proxy_cpu_per_100k, Metric::system_cpu_per_100k, Metric::proxy_cpu_per_gb, Metric::system_cpu_per_gb}},
    {"Memory and time",
     "Less is better.",
     {Metric::memory, Metric::time, Metric::engine_time, Metric::packet_cost, Metric::connection_cost}},
    {"Packets in the engine's programs",
     "Less is better. Figures, not ratios; that of `direct` is part of the others.",
     {Metric::packet_time, Metric::bystander_time}},
    {"Failures",
     "Connections that failed, requests asked again, datagrams lost; rows of zeros are left out.",
     {Metric::failed}},
};

// Has a figure for a ratio to be taken of.
bool is_ratio(Metric metric) {
    constexpr std::array others = {Metric::failed, Metric::packet_cost, Metric::connection_cost, Metric::packet_time,
                                   Metric::bystander_time};
    return std::ranges::find(others, metric) == others.end();
}

std::string cell(const Results& results, const Key& key, Contestant contestant, const std::vector<double>* baseline) {
    const auto* values = results.find(key, contestant);
    if (values == nullptr) return results.gave_up(key.measure, key.path, contestant) ? "see below" : "";
    if (values == baseline || !is_ratio(key.metric)) {
        const Spread spread = spread_of(*values);
        return fmt::format("{} ({}..{})", format(key.metric, spread.median), format(key.metric, spread.low),
                           format(key.metric, spread.high));
    }
    const Spread spread = ratio_of(*values, *baseline);
    return fmt::format("{:.2f} ({:.2f}..{:.2f})", spread.median, spread.low, spread.high);
}

const std::vector<double>* baseline_of(const Results& results, const Key& key) {
    for (const Contestant contestant : all_contestants) {
        if (const auto* values = results.find(key, contestant)) return values;
    }
    return nullptr;
}

bool all_zero(const Results& results, const Key& key) {
    return std::ranges::all_of(all_contestants, [&](Contestant contestant) {
        const auto* values = results.find(key, contestant);
        return values == nullptr || spread_of(*values).high == 0;
    });
}

std::string table_of(const Results& results, const Table& table) {
    std::vector<Key> rows;
    std::ranges::copy_if(results.keys(), std::back_inserter(rows), [&](const Key& key) {
        return std::ranges::find(table.metrics, key.metric) != table.metrics.end() && baseline_of(results, key) &&
               !all_zero(results, key);
    });
    std::vector<Contestant> columns;
    std::ranges::copy_if(all_contestants, std::back_inserter(columns), [&](Contestant contestant) {
        return std::ranges::any_of(rows, [&](const Key& key) {
            return results.find(key, contestant) || results.gave_up(key.measure, key.path, contestant);
        });
    });
    if (rows.empty()) return {};
    std::string text = fmt::format("## {}\n\n{}\n\n| measure | path | metric |", table.heading, table.about);
    for (const Contestant contestant : columns) text += fmt::format(" {} |", name(contestant));
    text += "\n|---|---|---|";
    for (size_t i = 0; i < columns.size(); ++i) text += "---|";
    text += "\n";
    for (const Key& key : rows) {
        text += fmt::format("| {} | {} | {} |", key.measure, name(key.path), name(key.metric));
        const auto* baseline = baseline_of(results, key);
        for (const Contestant contestant : columns)
            text += fmt::format(" {} |", cell(results, key, contestant, baseline));
        text += "\n";
    }
    return text + "\n";
}

std::string measured_text(const Target& target, const Judgement& judgement) {
    if (judgement.verdict == Verdict::unknown) return "";
    const auto& [median, low, high] = judgement.measured;
    if (judgement.rival) {
        return fmt::format("{:.2f}x ({:.2f}..{:.2f}) of {}", median, low, high, name(*judgement.rival));
    }
    const Metric metric = target.key.metric;
    return fmt::format("{} ({}..{})", format(metric, median), format(metric, low), format(metric, high));
}

std::string verdict_text(const Target& target, Verdict verdict) {
    if (verdict == Verdict::met || verdict == Verdict::mostly || verdict == Verdict::unknown || target.reason.empty())
        return std::string(name(verdict));
    return fmt::format("{}: {}", name(verdict), target.reason);
}

std::string targets_of(const Results& results, std::string_view congestion_control) {
    std::string text =
        "## Targets\n\nOf a ratio to several, the best of them counts; they are as packaged. *Within the spread*: the "
        "median misses, some round does not.\n\n| engine | measure | path | metric | target | measured | "
        "|\n|---|---|---|---|---|---|---|\n";
    for (const Target& target : all_targets(congestion_control)) {
        const Judgement judgement = judge(target, results);
        const Key& key = target.key;
        text += fmt::format("| {} | {} | {} | {} | {} | {} | {} |\n", name(target.subject), key.measure, name(key.path),
                            name(key.metric), bound_of(target), measured_text(target, judgement),
                            verdict_text(target, judgement.verdict));
    }
    return text + "\n";
}

ordered_json figures(const Results& results, const Key& key) {
    ordered_json contestants = ordered_json::object();
    for (const Contestant contestant : all_contestants) {
        const auto* values = results.find(key, contestant);
        if (values == nullptr) continue;
        const Spread spread = spread_of(*values);
        contestants[std::string(name(contestant))] = {
            {"median", spread.median}, {"low", spread.low}, {"high", spread.high}, {"rounds", *values}};
    }
    return contestants;
}

}  // namespace

std::string Report::title_of(const std::string& measure) const {
    const auto found = std::ranges::find(measures, measure, &Measure::name);
    return found == measures.end() ? std::string() : found->title;
}

std::string Report::markdown() const {
    std::string text = fmt::format(
        "# Performance\n\n"
        "Written by `./bench` at each full run, and by `./bench --report` where targets have changed since; nothing "
        "here is typed by hand. Figures for programs are in "
        "[performance.json](performance.json).\n\n"
        "![Rates as ratios to direct](performance.svg)\n\n"
        "| | |\n|---|---|\n| date | {} |\n| kernel | {} |\n| CPU | {}, {} cores |\n| congestion control | {}, where no "
        "other is named |\n| load of the machine before | {} |\n| rounds | {} unless said otherwise, in {:.0f} minutes "
        "|\n| versions | {} "
        "|\n\n",
        environment.date, environment.kernel, environment.cpu, environment.cores, environment.congestion_control,
        environment.load, environment.rounds, environment.minutes, environment.rivals);
    text +=
        "All contestants run in networks of namespaces that are alike, and take turns within each round. The first "
        "column "
        "with a figure of a row has it, as the median of all rounds with the lowest and the highest; the others are "
        "ratios "
        "to it, taken round by round: median (lowest..highest). Clients, gateway and servers share the cores, so a "
        "rate is "
        "what all of them cost together.\n\n"
        "| contestant | |\n|---|---|\n"
        "| direct | no load balancer: the client asks the backend itself, through the gateway's routing, as a peer "
        "through the switch |\n"
        "| routed | the same, but peers, too, reach each other through the gateway; differs from direct for them only "
        "|\n"
        "| nftables | DNAT and SNAT rules written by hand, for the same two services |\n"
        "| hairpin-nft, hairpin-tc, hairpin-xdp, hairpin-proxy | this program, by engine |\n"
        "| haproxy, nginx | as packaged by Debian; `-64k` with buffers as large as hairpin's, only where these count "
        "|\n\n";
    text += targets_of(results, environment.congestion_control);
    for (const Table& table : tables) text += table_of(results, table);
    if (!micro.empty()) {
        text +=
            "## Functions\n\n`benchmarks/micro`, CPU time, the median of its repetitions.\n\n| function | time "
            "|\n|---|---|\n";
        for (const auto& [benchmark, seconds] : micro) {
            text += fmt::format("| {} | {} |\n", benchmark, format(Metric::time, seconds));
        }
        text += "\n";
    }
    text += "## Measures\n\n| measure | |\n|---|---|\n";
    for (const Measure& measure : measures) {
        const std::string fewer = measure.rounds > 0 ? fmt::format("; rounds: {}", measure.rounds) : "";
        text += fmt::format("| {} | {}{} |\n", measure.name, measure.title, fewer);
    }
    if (!results.gaps().empty() || !micro_gap.empty()) {
        text += "\n## Not measured here\n\n| measure | path | contestant | reason |\n|---|---|---|---|\n";
        for (const auto& gap : results.gaps()) {
            const std::string reason = gap.reason.substr(0, gap.reason.find('\n'));
            text += fmt::format("| {} | {} | {} | {} |\n", gap.measure, name(gap.path), name(gap.contestant), reason);
        }
        if (!micro_gap.empty()) text += fmt::format("| micro | | | {} |\n", micro_gap);
    }
    return text;
}

std::string Report::json() const {
    ordered_json json;
    json["environment"] = {{"date", environment.date},
                           {"kernel", environment.kernel},
                           {"cpu", environment.cpu},
                           {"cores", environment.cores},
                           {"congestion_control", environment.congestion_control},
                           {"load_before", environment.load},
                           {"rounds", environment.rounds},
                           {"minutes", environment.minutes},
                           {"versions", environment.rivals}};
    json["results"] = ordered_json::array();
    for (const Key& key : results.keys()) {
        json["results"].push_back({{"measure", key.measure},
                                   {"title", title_of(key.measure)},
                                   {"path", name(key.path)},
                                   {"metric", name(key.metric)},
                                   {"contestants", figures(results, key)}});
    }
    json["not_measured"] = ordered_json::array();
    for (const auto& gap : results.gaps()) {
        json["not_measured"].push_back({{"measure", gap.measure},
                                        {"path", name(gap.path)},
                                        {"contestant", name(gap.contestant)},
                                        {"reason", gap.reason}});
    }
    json["targets"] = ordered_json::array();
    for (const Target& target : all_targets(environment.congestion_control)) {
        const Judgement judgement = judge(target, results);
        ordered_json entry = {{"engine", name(target.subject)},
                              {"measure", target.key.measure},
                              {"path", name(target.key.path)},
                              {"metric", name(target.key.metric)},
                              {"bound", target.bound},
                              {"verdict", name(judgement.verdict)},
                              {"measured", judgement.measured.median}};
        if (judgement.rival) entry["rival"] = name(*judgement.rival);
        json["targets"].push_back(std::move(entry));
    }
    json["micro"] = ordered_json::object();
    for (const auto& [benchmark, seconds] : micro) json["micro"][benchmark] = seconds;
    return json.dump(1) + "\n";
}

Result<Report> Report::parse(const std::string& text) {
    try {
        const auto json = ordered_json::parse(text);
        const auto& from = json.at("environment");
        Report report;
        report.environment = {.date = from.at("date"),
                              .kernel = from.at("kernel"),
                              .cpu = from.at("cpu"),
                              .cores = from.at("cores"),
                              .congestion_control = from.at("congestion_control"),
                              .load = from.at("load_before"),
                              .rivals = from.at("versions"),
                              .rounds = from.at("rounds"),
                              .minutes = from.at("minutes")};
        for (const auto& row : json.at("results")) {
            const auto path = from_name<Path>(row.at("path").get<std::string>());
            const auto metric = from_name<Metric>(row.at("metric").get<std::string>());
            for (const auto& [name, figures] : row.at("contestants").items()) {
                const auto contestant = from_name<Contestant>(name);
                if (!path || !metric || !contestant) return Error{"unknown names in " + row.dump()};
                for (const double value : figures.at("rounds")) {
                    report.results.add(row.at("measure"), *path, *contestant, {{*metric, value}});
                }
            }
        }
        for (const auto& row : json.at("not_measured")) {
            const auto path = from_name<Path>(row.at("path").get<std::string>());
            const auto contestant = from_name<Contestant>(row.at("contestant").get<std::string>());
            if (path && contestant) report.results.give_up(row.at("measure"), *path, *contestant, row.at("reason"));
        }
        for (const auto& [benchmark, seconds] : json.at("micro").items()) report.micro.emplace_back(benchmark, seconds);
        return report;
    } catch (const nlohmann::json::exception& failure) {
        return Error{failure.what()};
    }
}

}  // namespace hairpin::bench
