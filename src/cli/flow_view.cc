#include "cli/flow_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "cli/quantities.h"
#include "cli/table.h"

namespace hairpin {
namespace {

using nlohmann::json;

std::string text(const json& flow, const char* key) { return flow.at(key).get<std::string>(); }

Row cells_of(const json& flow) {
    return {text(flow, "service"),
            text(flow, "path"),
            text(flow, "client"),
            text(flow, "protocol") + " " + text(flow, "asked"),
            text(flow, "source"),
            text(flow, "backend"),
            bytes_text(flow.at("bytes_to_backend")),
            bytes_text(flow.at("bytes_to_client")),
            age_text(flow.at("age_ms"))};
}

int64_t age_of(const json& flow) { return flow.at("age_ms").is_null() ? 0 : flow.at("age_ms").get<int64_t>(); }

}  // namespace

std::string flow_table(const json& flows) {
    std::vector<const json*> live;
    bool uncounted = false;
    for (const json& flow : flows) {
        if (flow.at("ended").get<bool>()) continue;
        live.push_back(&flow);
        uncounted |= flow.at("bytes_to_client").is_null() || flow.at("age_ms").is_null();
    }
    std::ranges::stable_sort(live, [](const json* a, const json* b) { return age_of(*a) > age_of(*b); });

    std::vector<Row> rows = {
        {"service", "path", "client", "endpoint", "seen as", "backend", "to backend", "to client", "age"}};
    for (const json* flow : live) rows.push_back(cells_of(*flow));
    std::string text = table(rows, {6, 7, 8});
    text += fmt::format("{} {}\n", live.size(), live.size() == 1 ? "flow" : "flows");
    if (uncounted) {
        text +=
            "note: the kernel counts no bytes and no time of what it does not watch so; for flows that begin from "
            "now on: sysctl -w net.netfilter.nf_conntrack_acct=1 net.netfilter.nf_conntrack_timestamp=1\n";
    }
    return text;
}

std::string unlisted_text(const json& answer) {
    const auto unlisted = answer.value("unlisted", uint64_t{0});
    if (unlisted == 0) return {};
    return fmt::format("and {} more in processes before an upgrade, of which each lists some flows only\n", unlisted);
}

std::string flow_line(const json& flow) {
    std::string line =
        fmt::format("{}, {} to {} ({}, {}), served by {}", text(flow, "client"), text(flow, "protocol"),
                    text(flow, "asked"), text(flow, "service"), text(flow, "path"), text(flow, "backend"));
    if (!flow.at("age_ms").is_null()) line += fmt::format(", began {} ago", age_text(flow.at("age_ms")));
    return line + (flow.at("ended").get<bool>() ? ", has ended" : "");
}

}  // namespace hairpin
