#include "engines/nft/foreign.h"

#include <algorithm>
#include <sstream>

#include "engines/nft/table.h"

namespace hairpin::nft {
namespace {

// Docker asks people to add rules to a chain of theirs, which survives its restarts.
std::string remedy(const Chain& chain, const std::vector<Chain>& all) {
    const bool of_iptables = chain.table == "filter" && chain.name == "FORWARD";
    if (!of_iptables) return "nft insert rule " + chain.place() + " ct status dnat accept";
    const bool of_docker = std::ranges::any_of(all, [&](const Chain& other) {
        return other.family == chain.family && other.table == chain.table && other.name == "DOCKER-USER";
    });
    return std::string(chain.family == "ip6" ? "ip6tables" : "iptables") + " -I " +
           (of_docker ? "DOCKER-USER" : "FORWARD") + " -m conntrack --ctstate DNAT -j ACCEPT";
}

// nft(8) prints one rule a line: "ct status dnat accept", or "ct state dnat counter packets 0 bytes 0 accept" by
// iptables.
bool lets_translated_flows_pass(const std::string& table) {
    std::istringstream lines(table);
    for (std::string line; std::getline(lines, line);) {
        if (line.find(" dnat") != line.npos && line.ends_with(" accept")) return true;
    }
    return false;
}

}  // namespace

Result<std::vector<ForeignDrop>> foreign_drops(Netfilter& netfilter) {
    const auto chains = netfilter.chains();
    if (!chains) return chains.error();
    std::vector<ForeignDrop> drops;
    for (const Chain& chain : *chains) {
        if (chain.hook != "forward" || chain.policy != "drop") continue;
        const auto rules = netfilter.show(chain.family + " " + chain.table);
        if (rules && lets_translated_flows_pass(*rules)) continue;
        drops.push_back({chain.place(), remedy(chain, *chains)});
    }
    return drops;
}

}  // namespace hairpin::nft
