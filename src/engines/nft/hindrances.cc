#include "engines/nft/hindrances.h"

#include <fmt/format.h>

#include <set>

#include "engines/nft/foreign.h"
#include "net/bridge_ports.h"
#include "net/sysctl.h"

namespace hairpin::nft {
namespace {

void visit_backends(const Desired& desired, auto visit) {
    for (const Service& service : desired.ruleset.services()) {
        for (const Backend& backend : service.backends) visit(backend.endpoint.ip);
    }
}

void add_foreign_drops(Netfilter& netfilter, const Desired& desired, std::vector<std::string>& hindrances) {
    std::set<Crossing> crossings;
    visit_backends(desired, [&](const Ip& ip) {
        crossings.insert({desired.topology.owns(ip) ? "input" : "forward", ip.family()});
    });
    const auto drops = foreign_drops(netfilter, crossings);
    if (!drops) return hindrances.push_back(drops.error().message);
    for (const ForeignDrop& drop : *drops) {
        hindrances.push_back(fmt::format(
            "the chain {} drops what it does not know, and so what is led to backends; let it pass with: {}",
            drop.chain, drop.remedy));
    }
}

// A bridge that shows its frames to netfilter has them translated before they are routed, and then only bridges them:
// what a server sends to itself would have to leave through the port that it came from (br_netfilter_hooks.c).
void add_bridges(const Desired& desired, std::vector<std::string>& hindrances) {
    std::set<std::pair<Family, int>> links;
    visit_backends(desired, [&](const Ip& ip) {
        if (const Route* route = desired.topology.route_to(ip)) links.emplace(ip.family(), route->link);
    });
    for (const auto& [family, link] : links) {
        const std::string key =
            fmt::format("net.bridge.bridge-nf-call-{}", family == Family::v4 ? "iptables" : "ip6tables");
        const auto value = read_sysctl(key);  // absent where nothing filters bridges
        const Link* bridge = desired.topology.link(link);
        if (!value || *value == "0" || !bridge) continue;
        const auto ports = one_way_ports(link);
        if (ports.empty()) continue;
        hindrances.push_back(fmt::format(
            "{0} is 1, so a server behind {1} that asks for its own service gets no answer: run `sysctl -w {0}=0`, or "
            "`bridge link set dev PORT hairpin on` for these ports: {2}",
            key, bridge->name, fmt::join(ports, " ")));
    }
}

}  // namespace

std::vector<std::string> hindrances(Netfilter& netfilter, const Desired& desired) {
    std::vector<std::string> found;
    add_foreign_drops(netfilter, desired, found);
    add_bridges(desired, found);
    return found;
}

}  // namespace hairpin::nft
