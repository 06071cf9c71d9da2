#include "model/regions.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "model/path.h"
#include "unit/model/values.h"

namespace hairpin {
namespace {

const Topology home({{2, "ext"}, {3, "int"}}, {{ip("1.0.0.1"), 24, 2}, {ip("10.0.0.1"), 24, 3}},
                    {{prefix("0.0.0.0/0"), ip("1.0.0.254"), 2, 0},
                     {prefix("10.0.0.128/25"), ip("10.0.0.9"), 3, 0},
                     {prefix("10.0.1.0/24"), ip("10.0.0.9"), 3, 0}});

std::string text(const std::vector<Prefix>& prefixes) {
    std::string words;
    for (const Prefix& p : prefixes) words += p.str() + " ";
    return words;
}

TEST(Regions, OfNothingAndOfEverything) {
    EXPECT_EQ(text(regions(home, Family::v4, [](const Ip&) { return false; })), "");
    EXPECT_EQ(text(regions(home, Family::v4, [](const Ip&) { return true; })), "0.0.0.0/0 ");
    EXPECT_EQ(text(regions(home, Family::v6, [](const Ip&) { return true; })), "::/0 ");
}

TEST(Regions, AreCutWhereARouteBegins) {
    const auto on_link = [](const Ip& address) {
        const Route* route = home.route_to(address);
        return route && route->link == 3 && !route->via;
    };
    EXPECT_EQ(text(regions(home, Family::v4, on_link)), "10.0.0.0/25 ");
}

// Whatever path_of() says of an address, the region that holds it says too.
TEST(Regions, AgreeWithPathOfOnRandomClients) {
    const Ruleset ruleset;
    const Ip backend = ip("10.0.0.2");
    const auto peers = regions(home, Family::v4, [&](const Ip& client) { return is_peer(home, client, backend); });
    const auto inside = regions(home, Family::v4, [&](const Ip& client) { return !is_outside(ruleset, home, client); });
    const auto holds = [](const std::vector<Prefix>& prefixes, const Ip& address) {
        return std::ranges::any_of(prefixes, [&](const Prefix& p) { return p.contains(address); });
    };
    std::mt19937 random(7);
    size_t seen[names_of<Path>.size()] = {};
    for (int i = 0; i < 20'000; ++i) {
        const auto bits = static_cast<uint32_t>(random());
        const Ip client = Ip::v4(i % 2 ? bits : 0x0a000000 | (bits & 0x1ff));
        const Path path = path_of(ruleset, home, client, backend);
        ++seen[static_cast<size_t>(path)];
        if (path == Path::local || path == Path::self) continue;
        EXPECT_EQ(path == Path::peer, holds(peers, client)) << client.str();
        if (path == Path::peer) continue;
        EXPECT_EQ(path == Path::routed, holds(inside, client)) << client.str();
    }
    EXPECT_GT(seen[static_cast<size_t>(Path::peer)], 100u);
    EXPECT_GT(seen[static_cast<size_t>(Path::external)], 100u);
    EXPECT_GT(seen[static_cast<size_t>(Path::routed)], 100u);
}

}  // namespace
}  // namespace hairpin
