#include "model/regions.h"

#include <algorithm>
#include <tuple>

namespace hairpin {
namespace {

struct Cutter {
    const std::function<bool(const Ip&)>& holds;
    std::vector<Prefix> routes;  // destinations of one family, by address, then the widest first
    std::vector<Prefix> found;

    // Whether a route begins or ends within the prefix, so that it may hold two answers.
    bool is_parted(const Prefix& prefix) const {
        const auto inner = std::ranges::upper_bound(routes, std::tuple(prefix.address, prefix.length), {},
                                                    [](const Prefix& r) { return std::tuple(r.address, r.length); });
        return inner != routes.end() && prefix.contains(inner->address);
    }

    // Adds what holds within the prefix.
    void cut(const Prefix& prefix) {
        if (!is_parted(prefix)) {
            if (holds(prefix.address)) found.push_back(prefix);
            return;
        }
        const size_t before = found.size();
        const Prefix low = prefix.half(false);
        const Prefix high = prefix.half(true);
        cut(low);
        cut(high);
        const bool whole = found.size() == before + 2 && found[before] == low && found[before + 1] == high;
        if (!whole) return;
        found.resize(before);
        found.push_back(prefix);
    }
};

}  // namespace

std::vector<Prefix> regions(const Topology& topology, Family family, const std::function<bool(const Ip&)>& holds) {
    Cutter cutter{holds, {}, {}};
    for (const Route& route : topology.routes()) {
        if (route.destination.address.family() == family) cutter.routes.push_back(route.destination);
    }
    std::ranges::sort(cutter.routes, {}, [](const Prefix& r) { return std::tuple(r.address, r.length); });
    cutter.cut({Ip::any(family), 0});
    return std::move(cutter.found);
}

}  // namespace hairpin
