// Prefixes as somebody has listed them, and whether an address lies in one of them.
#pragma once

#include <span>
#include <vector>

#include "base/shared.h"
#include "model/ip.h"

namespace hairpin {

// Immutable, and copies share it: a list of thousands may be the default of as many services.
class PrefixList {
public:
    PrefixList() = default;
    explicit PrefixList(std::vector<Prefix> written);

    bool empty() const { return !prefixes_; }
    std::span<const Prefix> written() const;  // in the order that they were given in
    // The same addresses as the fewest prefixes, in ascending order, IPv4 first; none overlaps another.
    std::span<const Prefix> disjoint() const;

    bool contains(const Ip& ip) const;          // O(log n)
    bool contains(const Prefix& prefix) const;  // all of it; O(log n)
    // The narrowest one that was written and holds the address or all of the prefix; null: none does alone. O(n)
    const Prefix* find(const Ip& ip) const;
    const Prefix* find(const Prefix& prefix) const;

    bool operator==(const PrefixList&) const = default;

private:
    struct Prefixes {
        std::vector<Prefix> written;
        std::vector<Prefix> disjoint;

        bool operator==(const Prefixes& other) const { return written == other.written; }
    };
    Shared<Prefixes> prefixes_;  // none: the list is empty
};

}  // namespace hairpin
