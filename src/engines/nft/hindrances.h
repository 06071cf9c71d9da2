// What around us keeps services from some clients, and what helps.
#pragma once

#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engines/conditions.h"
#include "engines/engine.h"
#include "engines/nft/foreign.h"
#include "engines/nft/netfilter.h"
#include "engines/nft/table_watch.h"

namespace hairpin::nft {

// One sentence each, with a command in it; an error where we may not look. Looks at the network namespace of its
// thread.
Result<std::vector<std::string>> hindrances(Netfilter& netfilter, const Desired& desired);

// Looks again where they may be others by now. One thread uses it, that of both that it refers to, which outlive it.
class HindranceWatch {
public:
    HindranceWatch(Netfilter& netfilter, TableWatch& table_watch, const std::function<void(const Event&)>& on_event)
        : netfilter_(netfilter), table_watch_(table_watch), hindrances_(on_event) {}

    // At once; tells of those that are new and of those that are over.
    void look(const std::shared_ptr<const Desired>& desired);

    // To be called about once a second: does the same where there were some, and where the rules of others, their
    // bridges or our ways to backends have changed, but not at every call: it costs a list of all chains, and of the
    // tables of those that our packets pass.
    void tend(const std::shared_ptr<const Desired>& desired);

    const std::vector<std::string>& now() const { return hindrances_.now(); }

private:
    // What they depend on.
    struct Around {
        uint32_t transactions = 0;  // of others, in the packet filter
        std::set<Crossing> crossings;
        std::set<std::pair<Family, int>> links;
        std::array<std::string, 2> filtered_bridges;

        bool operator==(const Around&) const = default;
    };
    Around around_now(const std::shared_ptr<const Desired>& desired) const;

    Netfilter& netfilter_;
    TableWatch& table_watch_;
    Conditions hindrances_;
    Around around_;                        // when we last looked
    std::shared_ptr<const Desired> seen_;  // of which that is so
    std::chrono::steady_clock::time_point looked_;
    std::chrono::steady_clock::duration took_{};
};

}  // namespace hairpin::nft
