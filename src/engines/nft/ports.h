// The source ports that translated flows share: which ones, and what happens where they are used up. Pure.
//
// Theory of operation. Flows to one backend from one address of ours are told apart by their source port alone, so
// there are as many of them as free ports: a pool. The kernel looks for a free one in vain and drops the packet, in
// silence, and counts that. Once it does, the engine counts the flows of each pool; while one is exhausted, the frame
// refuses those who would need a port of it, and only those.
#pragma once

#include <compare>
#include <map>
#include <set>
#include <vector>

#include "engines/nft/conntrack.h"
#include "engines/nft/table.h"
#include "model/ruleset.h"
#include "model/topology.h"

namespace hairpin::nft {

// The free ports of one address of ours towards one backend.
struct Pool {
    Protocol protocol = Protocol::tcp;
    Ip source;
    Endpoint backend;

    auto operator<=>(const Pool&) const = default;
};

// How much of each pool is in use, from a review of all tracked flows.
class PoolUse {
public:
    // `ports` are the free ones. `ruleset` and `topology` must outlive this object.
    PoolUse(const Ruleset& ruleset, const Topology& topology, PortRange ports)
        : ruleset_(ruleset), topology_(topology), ports_(ports) {}

    void add(const TrackedFlow& flow);

    // The pools in which somebody looks for a port in vain, given those that were so far. `missed`: since then the
    // kernel has found no port for some flow. Connections that have ended hold their port for a while, but newer
    // kernels take it from them: they exhaust a pool, and do not keep it so.
    std::set<Pool> exhausted(bool missed, const std::set<Pool>& so_far) const;

private:
    struct Use {
        int taken = 0;
        int alive = 0;
    };
    bool is_used_up(int taken) const;

    const Ruleset& ruleset_;
    const Topology& topology_;
    const PortRange ports_;
    std::map<Pool, Use> use_;
};

// What the frame must know while a pool is exhausted: who asked which endpoint, to be led to that backend, is refused.
struct Refused {
    const Service* service;
    Element element;  // gone after a few seconds, unless it is added anew
};
std::vector<Refused> refused_by(const Pool& pool, const Ruleset& ruleset, const Topology& topology);

}  // namespace hairpin::nft
