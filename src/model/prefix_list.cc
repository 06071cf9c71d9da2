#include "model/prefix_list.h"

#include <algorithm>
#include <tuple>

namespace hairpin {
namespace {

// By family first: an IPv4 address is held among those of IPv6, and no prefix of these holds it.
auto order(const Prefix& prefix) { return std::tuple(prefix.address.family(), prefix.address, prefix.length); }

Prefix whole(const Ip& ip) { return {ip, ip.is_v4() ? 32 : 128}; }

bool covers(const Prefix& wide, const Prefix& narrow) {
    return wide.length <= narrow.length && wide.contains(narrow.address);
}

bool are_halves(const Prefix& low, const Prefix& high) {
    return low.length == high.length && low.length > 0 && low.address.family() == high.address.family() &&
           Prefix::of(low.address, low.length - 1) == Prefix::of(high.address, low.length - 1);
}

std::vector<Prefix> joined(std::vector<Prefix> prefixes) {
    std::ranges::sort(prefixes, {}, order);
    std::vector<Prefix> found;
    for (const Prefix& prefix : prefixes) {
        if (!found.empty() && covers(found.back(), prefix)) continue;
        found.push_back(prefix);
        while (found.size() > 1 && are_halves(found[found.size() - 2], found.back())) {
            found.pop_back();
            found.back() = Prefix::of(found.back().address, found.back().length - 1);
        }
    }
    return found;
}

}  // namespace

PrefixList::PrefixList(std::vector<Prefix> written) {
    if (written.empty()) return;
    auto disjoint = joined(written);
    prefixes_ = Prefixes{std::move(written), std::move(disjoint)};
}

std::span<const Prefix> PrefixList::written() const {
    return prefixes_ ? std::span<const Prefix>(prefixes_->written) : std::span<const Prefix>();
}

std::span<const Prefix> PrefixList::disjoint() const {
    return prefixes_ ? std::span<const Prefix>(prefixes_->disjoint) : std::span<const Prefix>();
}

bool PrefixList::contains(const Ip& ip) const { return contains(whole(ip)); }

bool PrefixList::contains(const Prefix& prefix) const {
    const auto all = disjoint();
    const auto after = std::ranges::upper_bound(all, order(prefix), {}, order);
    return after != all.begin() && covers(*std::prev(after), prefix);
}

const Prefix* PrefixList::find(const Ip& ip) const { return find(whole(ip)); }

const Prefix* PrefixList::find(const Prefix& prefix) const {
    const Prefix* found = nullptr;
    for (const Prefix& candidate : written()) {
        if (covers(candidate, prefix) && (!found || candidate.length > found->length)) found = &candidate;
    }
    return found;
}

}  // namespace hairpin
