#include "engines/nft/ports.h"

#include <fmt/format.h>

#include <algorithm>

#include "engines/nft/frame.h"
#include "engines/packets.h"

namespace hairpin::nft {
namespace {

// The kernel looks at some 240 ports before it gives up (nf_nat_core.c): with fewer than one in so many free, it mostly
// does. Small pools it searches whole.
constexpr int one_in = 256;

// Which of those who ask an endpoint need a port of the pool; empty: nobody.
std::string_view refusal_of(const Service& service, const Ip& asked, const Pool& pool, const Topology& topology) {
    switch (service.source) {
        case SourcePolicy::automatic:
            return asked == pool.source ? "no_port_auto" : "";
        case SourcePolicy::external:
            return asked == pool.source ? "no_port" : "";
        case SourcePolicy::gateway:
            return topology.source_towards(pool.backend.ip) == pool.source ? "no_port" : "";
        case SourcePolicy::map: {
            const auto suits = [&](const Prefix& prefix) { return prefix.address.family() == asked.family(); };
            if (asked != pool.source) return "";
            return std::ranges::any_of(service.source_map, suits) ? "no_port_map" : "no_port_auto";
        }
        case SourcePolicy::keep:
            return "";
    }
    return "";
}

}  // namespace

void PoolUse::add(const TrackedFlow& flow) {
    const Endpoint& source = flow.backend.source;
    if (!ports_.contains(source.port)) return;
    if (!topology_.owns(source.ip) && !ruleset_.is_external_address(source.ip)) return;
    Use& use = use_[{flow.backend.protocol, source.ip, flow.backend.destination}];
    ++use.taken;
    if (flow.alive) ++use.alive;
}

bool PoolUse::is_used_up(int taken) const { return taken * one_in >= ports_.size() * (one_in - 1); }

std::set<Pool> PoolUse::exhausted(bool missed, const std::set<Pool>& so_far) const {
    std::set<Pool> pools;
    for (const auto& [pool, use] : use_) {
        const bool was = so_far.contains(pool);
        if ((missed && is_used_up(use.taken)) || (was && is_used_up(use.alive))) pools.insert(pool);
    }
    return pools;
}

std::vector<Refused> refused_by(const Pool& pool, const Ruleset& ruleset, const Topology& topology) {
    std::vector<Refused> refused;
    for (const Service& service : ruleset.services()) {
        if (!includes(service.protocols, pool.protocol)) continue;
        for (const Backend& backend : service.backends) {
            if (!backend.endpoint.contains(pool.backend)) continue;
            const int distance = pool.backend.port - backend.endpoint.ports.first;
            for (const EndpointRange& listen : service.listen) {
                if (!obstacle(listen, backend).empty()) continue;
                for (const Ip& asked : asked_addresses(listen.ip, topology)) {
                    const std::string_view chain = refusal_of(service, asked, pool, topology);
                    if (chain.empty()) continue;
                    const Family family = asked.family();
                    refused.push_back(
                        {&service,
                         {for_family("exhausted", family),
                          fmt::format("{} . {} . {} . {} . {} timeout 5s", asked.str(), name(pool.protocol),
                                      listen.ports.first + distance, pool.backend.ip.str(), pool.backend.port),
                          fmt::format("goto {}", for_family(chain, family))}});
                }
            }
        }
    }
    return refused;
}

}  // namespace hairpin::nft
