#include "engines/nft/stats_rows.h"

#include <algorithm>
#include <array>

#include "engines/nft/counts.h"
#include "engines/nft/frame.h"
#include "model/listen_index.h"

namespace hairpin::nft {
namespace {

constexpr size_t most_earlier = 4096;  // every change copies them

// Whether an endpoint of the service is one of these, too.
bool is_taken(const Service& service, const ListenIndex& gone, const Ruleset& now) {
    return std::ranges::any_of(service.listen, [&](const EndpointRange& listen) {
        return std::ranges::any_of(std::array{Protocol::tcp, Protocol::udp}, [&](Protocol protocol) {
            return includes(service.protocols, protocol) &&
                   (gone.find(protocol, listen) || now.find(protocol, listen.first()));
        });
    });
}

}  // namespace

Desired remember(std::vector<Service> gone, const Topology& topology, const Desired* earlier, const Ruleset& now) {
    if (earlier) {
        const ListenIndex index(gone);
        const size_t most = gone.size() + most_earlier;
        for (const Service& service : earlier->ruleset.services()) {
            if (gone.size() < most && !is_taken(service, index, now)) gone.push_back(service);
        }
    }
    return {Ruleset(std::move(gone)), topology};
}

const Service* service_asked(const Desired& desired, Protocol protocol, const Endpoint& endpoint) {
    const auto match = find_asked(desired.ruleset, desired.topology, protocol, endpoint);
    return match ? match->service : nullptr;
}

const Service* service_asked(const Desired& desired, const Desired* former, Protocol protocol,
                             const Endpoint& endpoint) {
    const Service* service = service_asked(desired, protocol, endpoint);
    return service || !former ? service : service_asked(*former, protocol, endpoint);
}

Result<LimitWatch::Refused> refused_by_limits(const Desired& desired) {
    LimitWatch::Refused refused;
    for (const Family family : all_families) {
        const auto counts = read_counts(refused_set(family));
        if (!counts) return counts.error();
        for (const Count& count : *counts) {
            const auto limit = limit_marked(count.mark);
            if (!limit) continue;
            if (const Service* service = service_asked(desired, count.protocol, count.endpoint)) {
                refused[{service, *limit}] += count.packets;
            }
        }
    }
    return refused;
}

StatsRows::StatsRows(const Desired& desired, const Desired* former) : desired_(desired), former_(former) {
    for (const Service& service : desired.ruleset.services()) {
        row_numbers_.emplace(service.name, stats_.services.size());
        stats_.services.push_back({.service = service.name});
    }
}

ServiceStats* StatsRows::find(Protocol protocol, const Endpoint& asked) {
    const Service* service = service_asked(desired_, former_, protocol, asked);
    return service ? &row_of(*service) : nullptr;
}

ServiceStats& StatsRows::row_of(const Service& service) {
    const auto [row, is_new] = row_numbers_.try_emplace(service.name, stats_.services.size());
    if (is_new) stats_.services.push_back({.service = service.name});
    return stats_.services[row->second];
}

void StatsRows::add_accepted(Protocol protocol, const Endpoint& asked, const Endpoint& backend, Path path,
                             uint64_t flows) {
    const Service* service = service_asked(desired_, former_, protocol, asked);
    if (!service) return;
    row_of(*service).accepted[static_cast<size_t>(path)] += flows;
    const auto reached =
        std::ranges::find_if(service->backends, [&](const Backend& b) { return b.endpoint.contains(backend); });
    if (reached != service->backends.end()) came_[{service->name, reached->endpoint, path}] += flows;
}

Stats StatsRows::take() {
    std::vector<ServiceStats>& rows = stats_.services;
    for (const auto& [place, flows] : came_) {
        const auto& [service, backend, path] = place;
        rows[row_numbers_.at(service)].backends.push_back({.backend = backend, .path = path, .accepted = flows});
    }
    const auto gone = rows.begin() + static_cast<std::ptrdiff_t>(desired_.ruleset.services().size());
    rows.erase(std::remove_if(gone, rows.end(), [](const ServiceStats& row) { return row.active == 0; }), rows.end());
    return std::move(stats_);
}

}  // namespace hairpin::nft
