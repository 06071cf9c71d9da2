// Has the frame refuse those for whom no source port is left; ports.h has the theory.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>

#include "engines/engine.h"
#include "engines/nft/conntrack.h"
#include "engines/nft/netfilter.h"
#include "engines/nft/ports.h"

namespace hairpin::nft {

// One thread uses it, that of `netfilter` and `conntrack`, which outlive it.
class Exhaustion {
public:
    Exhaustion(Netfilter& netfilter, Conntrack& conntrack, std::function<void(const Event&)> on_event)
        : netfilter_(netfilter), conntrack_(conntrack), on_event_(std::move(on_event)) {}

    // To be called about once a second, with what the table serves and the ports that it gives to sources. Costs the
    // reading of a counter, unless a pool is exhausted or has just become so: then a review of all flows.
    void tend(const Desired& desired, PortRange ports);

private:
    Result<> refuse(bool missed, const Desired& desired, PortRange ports);
    void warn_of(const std::set<Pool>& pools, const Desired& desired, PortRange ports);
    void warn(std::string message) const { on_event_(engine_warning(std::move(message))); }

    Netfilter& netfilter_;
    Conntrack& conntrack_;
    const std::function<void(const Event&)> on_event_;
    std::optional<uint64_t> dropped_;  // dropped_flows() when we last looked
    bool blind_ = false;               // it could not be had
    std::set<Pool> exhausted_;
    std::chrono::steady_clock::time_point next_warning_;
};

}  // namespace hairpin::nft
