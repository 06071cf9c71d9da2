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

constexpr std::chrono::seconds between_looks{5};
constexpr int looks_are_rare = 50;  // in what a look takes: at most 2% of the time, however large others' tables are

std::set<Crossing> crossings_of(const Desired& desired) {
    std::set<Crossing> crossings;
    visit_backends(desired, [&](const Ip& ip) {
        crossings.insert({desired.topology.owns(ip) ? "input" : "forward", ip.family()});
    });
    return crossings;
}

// Those by which packets leave for backends.
std::set<std::pair<Family, int>> links_of(const Desired& desired) {
    std::set<std::pair<Family, int>> links;
    visit_backends(desired, [&](const Ip& ip) {
        if (const Route* route = desired.topology.route_to(ip)) links.emplace(ip.family(), route->link);
    });
    return links;
}

std::string filtered_bridges_key(Family family) {
    return fmt::format("net.bridge.bridge-nf-call-{}", family == Family::v4 ? "iptables" : "ip6tables");
}

Result<> add_foreign_drops(Netfilter& netfilter, const Desired& desired, std::vector<std::string>& hindrances) {
    const auto drops = foreign_drops(netfilter, crossings_of(desired));
    if (!drops) return drops.error();
    for (const ForeignDrop& drop : *drops) {
        hindrances.push_back(fmt::format(
            "the chain {} drops what it does not know, and so what is led to backends; let it pass with: {}",
            drop.chain, drop.remedy));
    }
    return {};
}

// A bridge that shows its frames to netfilter has them translated before they are routed, and then only bridges them:
// what a server sends to itself would have to leave through the port that it came from (br_netfilter_hooks.c).
void add_bridges(const Desired& desired, std::vector<std::string>& hindrances) {
    for (const auto& [family, link] : links_of(desired)) {
        const std::string key = filtered_bridges_key(family);
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

Result<std::vector<std::string>> hindrances(Netfilter& netfilter, const Desired& desired) {
    std::vector<std::string> found;
    if (auto looked = add_foreign_drops(netfilter, desired, found); !looked) return looked.error();
    add_bridges(desired, found);
    return found;
}

void HindranceWatch::look(const std::shared_ptr<const Desired>& desired) {
    looked_ = std::chrono::steady_clock::now();
    Around around = around_now(desired);
    if (desired->ruleset.services().empty()) {
        hindrances_.forget();
    } else if (auto found = hindrances(netfilter_, *desired)) {
        hindrances_.become(*std::move(found));
    } else {  // which says nothing of those that are known
        std::vector<std::string> known = now();
        const std::string& why = found.error().message;
        if (std::ranges::find(known, why) == known.end()) known.push_back(why);
        hindrances_.become(std::move(known));
    }
    took_ = std::chrono::steady_clock::now() - looked_;
    around_ = std::move(around);
    seen_ = desired;
}

void HindranceWatch::tend(const std::shared_ptr<const Desired>& desired) {
    const auto since = std::chrono::steady_clock::now() - looked_;
    if (since < between_looks || since < looks_are_rare * took_) return;
    if (!now().empty() || around_now(desired) != around_) return look(desired);
    seen_ = desired;
}

HindranceWatch::Around HindranceWatch::around_now(const std::shared_ptr<const Desired>& desired) const {
    Around around = around_;
    if (const auto generation = table_watch_.generation()) {
        around.transactions = *generation - netfilter_.transactions();
    }
    for (const Family family : all_families) {
        const auto value = read_sysctl(filtered_bridges_key(family));
        around.filtered_bridges[static_cast<size_t>(family)] = value ? *value : "";
    }
    if (seen_ == desired) return around;
    around.crossings = crossings_of(*desired);
    around.links = links_of(*desired);
    return around;
}

}  // namespace hairpin::nft
