#include "engines/nft/stats_rows.h"

namespace hairpin::nft {

const Service* service_asked(const Desired& desired, Protocol protocol, const Endpoint& endpoint) {
    const auto match = find_asked(desired.ruleset, desired.topology, protocol, endpoint);
    return match ? match->service : nullptr;
}

const Service* service_asked(const Desired& desired, const Desired* former, Protocol protocol,
                             const Endpoint& endpoint) {
    const Service* service = service_asked(desired, protocol, endpoint);
    return service || !former ? service : service_asked(*former, protocol, endpoint);
}

StatsRows::StatsRows(const Desired& desired, const Desired* former) : desired_(desired), former_(former) {
    for (const Service& service : desired.ruleset.services()) {
        row_of_.emplace(service.name, stats_.services.size());
        stats_.services.push_back({.service = service.name});
    }
}

ServiceStats* StatsRows::find(Protocol protocol, const Endpoint& asked) {
    const Service* service = service_asked(desired_, former_, protocol, asked);
    if (!service) return nullptr;
    const auto [row, is_new] = row_of_.try_emplace(service->name, stats_.services.size());
    if (is_new) stats_.services.push_back({.service = service->name});
    return &stats_.services[row->second];
}

}  // namespace hairpin::nft
