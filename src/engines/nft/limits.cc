#include "engines/nft/limits.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>

#include "engines/nft/frame.h"

namespace hairpin::nft {
namespace {

constexpr int most_services = 65'535;

// The element of a service's limit, but for the client: 64 bits, as two marks, for a key has no wider number.
std::string key_of(const Service& service, Limit limit) {
    const std::string number = digest(fmt::format("{} {} {}", service.name, name(limit), service.limits[limit]));
    return fmt::format("0x{} . 0x{}", number.substr(0, 8), number.substr(8));
}

// What elements of a rate keep is as good as new after a second.
Definition set_for(Limit limit, Family family) {
    std::string body;
    if (is_per_client(limit)) {
        body += fmt::format("type {} . mark . mark; size {};", family == Family::v4 ? "ipv4_addr" : "ipv6_addr",
                            most_counted_clients);
    } else {
        body += fmt::format("type mark . mark; size {};", most_services);
    }
    body += is_rate(limit) ? " flags dynamic,timeout; timeout 10s;\n" : " flags dynamic;\n";
    return {Definition::Kind::set, "limited." + digest(body), body};
}

// The rule that holds those who match against one limit.
std::string rule(const Service& service, Limit limit, Family family, std::string_view match, std::string_view client) {
    const uint32_t most = service.limits[limit];
    const std::string count = is_rate(limit) ? fmt::format("limit rate over {0}/second burst {0} packets", most)
                                             : fmt::format("ct count over {}", most);
    return fmt::format("{}{} @{} {{ {}{} {} }} goto {}\n", match, is_rate(limit) ? "update" : "add",
                       set_for(limit, family).name, client, key_of(service, limit), count, over_chain(limit, family));
}

// One rule for each kind of client that counted_client() tells apart.
std::string rules(const Service& service, Limit limit, Family family) {
    if (!is_per_client(limit)) return rule(service, limit, family, "", "");
    if (family == Family::v4) return rule(service, limit, family, "", "ip saddr . ");
    static_assert(subscriber_bits == 64);
    constexpr std::string_view subscriber = "ip6 saddr & ffff:ffff:ffff:ffff:: . ";
    return rule(service, limit, family, "fib saddr type local ", "ip6 saddr . ") +
           rule(service, limit, family, "fib saddr type != local ip6 saddr @inside6 ", "ip6 saddr . ") +
           rule(service, limit, family, "fib saddr type != local ip6 saddr != @inside6 ", subscriber);
}

}  // namespace

// Those of each client first: whoever is beyond them takes nothing of what all share.
std::optional<Definition> limit(Part& part, const Service& service, Family family) {
    auto limits = all_limits;
    std::ranges::stable_sort(limits, std::greater(), is_per_client);
    std::string body;
    for (const Limit limit : limits) {
        if (service.limits[limit] == 0) continue;
        part.definitions.push_back(set_for(limit, family));
        body += rules(service, limit, family);
    }
    if (body.empty()) return std::nullopt;
    part.definitions.push_back({Definition::Kind::chain, "limit." + digest(body), body});
    return part.definitions.back();
}

}  // namespace hairpin::nft
