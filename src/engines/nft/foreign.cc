#include "engines/nft/foreign.h"

#include <algorithm>
#include <map>
#include <sstream>

#include "engines/nft/table.h"

namespace hairpin::nft {
namespace {

// Docker asks people to add rules to a chain of theirs, which survives its restarts.
std::string remedy(const Chain& chain, const std::vector<Chain>& all) {
    const bool is_built_in = chain.name == "FORWARD" || chain.name == "INPUT";
    const bool of_iptables = chain.family != "inet" && chain.table == "filter" && is_built_in;
    if (!of_iptables) return "nft insert rule " + chain.place() + " ct status dnat accept";
    const bool of_docker = std::ranges::any_of(all, [&](const Chain& other) {
        return other.family == chain.family && other.table == chain.table && other.name == "DOCKER-USER";
    });
    return std::string(chain.family == "ip6" ? "ip6tables" : "iptables") + " -I " +
           (of_docker && chain.hook == "forward" ? "DOCKER-USER" : chain.name) +
           " -m conntrack --ctstate DNAT -j ACCEPT";
}

// The rules of one table by chain, as nft(8) prints them, but for counters.
class Rules {
public:
    explicit Rules(const std::string& listing) {
        std::istringstream lines(listing);
        std::vector<std::string>* rules = nullptr;
        for (std::string line; std::getline(lines, line);) {
            const size_t begin = line.find_first_not_of('\t');
            if (begin == line.npos) continue;
            std::string text = line.substr(begin);
            if (text.starts_with("chain ")) {
                rules = &chains_[text.substr(6, text.rfind(' ') - 6)];
            } else if (text == "}") {
                rules = nullptr;
            } else if (rules && !text.starts_with("type ")) {
                rules->push_back(without_counter(std::move(text)));
            }
        }
    }

    // Whether a translated flow is accepted here, or in a chain that is gone to from here. iptables(8) writes the same
    // rule.
    bool accept_translated(const std::string& chain) const {
        return std::ranges::any_of(of(chain), [&](const std::string& rule) {
            const std::string next = chain_after(rule);
            return (rule.find("ct status dnat") != rule.npos && rule.find(" accept") != rule.npos) ||
                   (!next.empty() && accept_translated(next));
        });
    }

    bool end_in_drop(const std::string& chain) const {
        if (of(chain).empty()) return false;
        const std::string& last = of(chain).back();
        if (last.starts_with("log ")) return last.ends_with(" drop") || last.find(" reject") != last.npos;
        const bool goes_on = last.starts_with("jump ") || last.starts_with("goto ");
        return last.starts_with("drop") || last.starts_with("reject") || (goes_on && end_in_drop(chain_after(last)));
    }

private:
    static std::string without_counter(std::string rule) {
        const size_t begin = rule.find("counter packets ");
        if (begin == rule.npos) return rule;
        size_t end = begin;
        for (int words = 0; words < 5 && end != rule.npos; ++words) end = rule.find(' ', end + 1);
        return rule.erase(begin, end == rule.npos ? end : end + 1 - begin);
    }

    // The last word of "iifname "eth0" jump DOCKER"; empty: the rule leads nowhere. The kernel allows no circles.
    static std::string chain_after(const std::string& rule) {
        for (const char* verb : {"jump ", "goto "}) {
            const size_t at = rule.rfind(verb);
            if (at != rule.npos && (at == 0 || rule[at - 1] == ' ')) return rule.substr(at + 5);
        }
        return {};
    }

    const std::vector<std::string>& of(const std::string& chain) const {
        static const std::vector<std::string> none;
        const auto found = chains_.find(chain);
        return found == chains_.end() ? none : found->second;
    }

    std::map<std::string, std::vector<std::string>> chains_;
};

bool is_crossed(const Chain& chain, const std::set<Crossing>& crossings) {
    const auto crosses = [&](const char* family, Family which) {
        return (chain.family == family || chain.family == "inet") && crossings.contains({chain.hook, which});
    };
    return crosses("ip", Family::v4) || crosses("ip6", Family::v6);
}

}  // namespace

Result<std::vector<ForeignDrop>> foreign_drops(Netfilter& netfilter, const std::set<Crossing>& crossings) {
    const auto chains = netfilter.chains();
    if (!chains) return chains.error();
    std::vector<ForeignDrop> drops;
    for (const Chain& chain : *chains) {
        const std::string holder = chain.family + " " + chain.table;
        if (holder == table || !is_crossed(chain, crossings)) continue;
        const auto listing = netfilter.show(holder);
        if (!listing) return listing.error();
        const Rules rules(*listing);
        const bool drops_others = chain.policy == "drop" || rules.end_in_drop(chain.name);
        if (drops_others && !rules.accept_translated(chain.name)) {
            drops.push_back({chain.place(), remedy(chain, *chains)});
        }
    }
    return drops;
}

}  // namespace hairpin::nft
