#include "daemon/gateway.h"

#include <algorithm>

namespace hairpin {

Result<Stats> Gateway::stats() const {
    auto stats = engine.stats();
    if (!stats) return stats;
    std::vector<ServiceStats>& rows = stats->services;
    for (const auto& [place, active] : retired_flows().counts) {
        auto row = std::ranges::find(rows, place.first, &ServiceStats::service);
        if (row == rows.end()) row = rows.insert(row, ServiceStats{.service = place.first});
        row->active += active;
    }
    return stats;
}

}  // namespace hairpin
