// The kernel's settings that forwarding depends on: checked, and set only where the configuration says so. What one was
// before us is kept in the table, as the name of an empty chain, for whoever clears it: the name outlives us.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "engines/engine.h"
#include "engines/forwarding.h"
#include "engines/nft/netfilter.h"

namespace hairpin::nft {

// One thread uses it, that of `netfilter`, which outlives it.
class Settings {
public:
    // `may_set`: EngineOptions::set_sysctls.
    Settings(Netfilter& netfilter, bool may_set, std::function<void(const Event&)> on_event)
        : netfilter_(netfilter), may_set_(may_set), on_event_(std::move(on_event)) {}

    // The kernel forwards nothing unless it is told to: an error where it is not and we may not tell it.
    Result<> check_forwarding(const Desired& desired) const;
    // `served`: what has been served so far, or null; what that lacks is no fault of a change.
    Result<> enable_forwarding(const Desired& desired, const Desired* served);
    Result<> set_until_clear(const Setting& setting);  // to "1", and tells nobody

    // Where it may: has the kernel count bytes and time of flows that begin from now on.
    void keep_count();

    // The names of the chains that keep what settings were: those among our table's, and those that we have made and
    // somebody else has removed.
    const std::set<std::string>& kept(const std::vector<Chain>& chains);
    // Puts back what these chains keep; others are passed over.
    static Result<> restore(const std::vector<Chain>& chains);

private:
    void tell_of(const Setting& setting) const;

    Netfilter& netfilter_;
    const bool may_set_;
    const std::function<void(const Event&)> on_event_;
    std::set<std::string> kept_;
};

}  // namespace hairpin::nft
