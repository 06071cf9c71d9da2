#include "engines/nft/frame.h"

#include <fmt/format.h>

#include <array>

#include "engines/nft/table.h"
#include "model/stats.h"

// Theory of operation.
//
// Connection tracking carries a flow; we only decide its first packet, in two places.
//
//   prerouting, output   `services` finds the backend: one lookup in to4 for a service with one backend; several take
//                        turns in a chain of their own, found through balance4. So does a service that does not let
//                        everybody in: its chain begins with a jump to that of its lists, which it shares with others.
//                        One with limits jumps to a chain that counts, see limits.h.
//   postrouting, input   `sources` finds the profile of the service by the endpoint that was asked, which connection
//                        tracking remembers. The profile counts the path, gives the flow its timeouts, and goes to the
//                        chain of its source policy, which is translate() spelled in lookups.
//
// Who is refused gets an answer of the gateway's own, which passes postrouting as if it were one of the flow: the
// profile is for flows that are led somewhere, `ct status dnat`.
//
// A flow that somebody else's rules translate passes `count` too: what it counts there belongs to no service of ours.
//
// In between, a new flow asks in `ports` whether the port that it may need is to be had, see ports.h. A flow that is
// known already, though nobody has answered it, is not asked again. It asks before it is routed: the redirects that
// IPv4 wastes on neighbours when it forwards for them use up their share of ICMP errors. Almost always nothing is
// exhausted, and the chain that leads arrivals there does not exist.
//
// So a flow costs the same with one service and with a hundred thousand, and a service is nothing but elements. Keys
// are "address . protocol . port" of the external endpoint.
//
// All further packets pass one chain, `forwarded`, for each hook has a price of its own (docs/decisions/0011). It comes
// after other people's filters: what these drop is not counted. What is dropped later is: no source port was free.
//
// The guards: what arrives outside with the address of an inside network, be it of a live flow, or goes from there to a
// backend that no service published to it, is dropped; so is what connection tracking finds invalid, for it would reach
// the gateway's own TCP, which would answer a live flow with a reset; so are IPv6 redirects that would show a backend,
// or a client of one, the way around us (RFC 4861 8.2; Destination Address is 24 bytes into the message). Redirects
// about others are sent. Those of IPv4 are part of the flow that they are about, and dropped by the kernel's NAT.

namespace hairpin::nft {
namespace {

// $4: the family's digit. $ip, $address: its keyword and type. $pool: the free ports. $counts: most_counts.
// $both_ways: most_byte_counts. $timeouts: those of TCP.
constexpr std::string_view family_frame = R"(
    map to$4 { type $address . inet_proto . inet_service : $address . inet_service; }
    map balance$4 { type $address . inet_proto . inet_service : verdict; }
    map balance_range$4 { type $address . inet_proto . inet_service : verdict; flags interval; }
    map profile$4 { type $address . inet_proto . inet_service : verdict; }
    map profile_range$4 { type $address . inet_proto . inet_service : verdict; flags interval; }
    map facing$4 { type $address : $address; }
    map exhausted$4 { type $address . inet_proto . inet_service . $address . inet_service : verdict; flags timeout; }
    set self$4 { type $address . $address; }
    set peers$4 { type $address . $address; flags interval; }
    set inside$4 { type $address; flags interval; }
    set ours$4 { type $address; }
    set private_backends$4 { type $address; }
    set accepted$4 { type $address . inet_service . mark . $address . inet_service; flags dynamic; size $counts; counter; }
    set counted_once$4 { type $address . inet_service . mark . $address . inet_service; flags dynamic; size 4095; }
    set bytes$4 { type $address . inet_proto . inet_service . ct_dir; flags dynamic; size $both_ways; counter; }
    set refused$4 { type $address . inet_proto . inet_service . mark; flags dynamic; size $counts; counter; }

    ct timeout tcp$4 {
$timeouts    }

    chain services$4 {
        dnat $ip to $ip daddr . meta l4proto . th dport map @to$4
        $ip daddr . meta l4proto . th dport vmap @balance$4
        $ip daddr . meta l4proto . th dport vmap @balance_range$4
    }
    chain auto$4 {
        fib saddr type local goto external$4
        $ip saddr . $ip daddr @self$4 goto external$4
        $ip saddr . $ip daddr @peers$4 goto external$4
    }
    chain external$4 {
        meta l4proto { tcp, udp } snat $ip to ct original $ip daddr : $pool
    }
    chain gateway$4 {
        meta l4proto { tcp, udp } snat $ip to $ip daddr map @facing$4 : $pool
    }
    chain keep$4 { }

    chain nobody_listens$4 {
        meta l4proto tcp reject with tcp reset
        reject with $icmp type port-unreachable
    }
    chain no_backend$4 {
        jump refused_backend$4
        goto nobody_listens$4
    }
    chain denied$4 {
        jump refused_denied$4
        goto nobody_listens$4
    }
    chain no_port$4 {
        jump refused_ports$4
        reject with $icmp type admin-prohibited
    }
    chain no_port_auto$4 {
        fib saddr type local goto no_port$4
        $ip saddr . $ip daddr @self$4 goto no_port$4
        $ip saddr . $ip daddr @peers$4 goto no_port$4
    }
    chain no_port_map$4 {
        fib saddr type local goto no_port$4
    }
)";

// $proto: tcp, udp.
constexpr std::string_view profile_rules = R"(
        meta l4proto $proto ct original $ip daddr . meta l4proto . ct original proto-dst vmap @profile$4
        meta l4proto $proto ct original $ip daddr . meta l4proto . ct original proto-dst vmap @profile_range$4
)";

constexpr std::string_view exhausted_rules = R"(
        meta l4proto $proto ct original $ip daddr . meta l4proto . ct original proto-dst . ct reply $ip saddr . ct reply proto-src vmap @exhausted$4
)";

// $set: one that counts. $mark: " . NUMBER", or what else its keys end in. An element is made when it is first counted.
constexpr std::string_view count_rules = R"(
        meta l4proto $proto add @$set { ct original $ip daddr . meta l4proto . ct original proto-dst$mark }
)";

// A packet cannot wait for memory, and now and then the kernel has none ready for the counter of a new element. The
// flow that met this is remembered in a set that needs none.
constexpr std::string_view accepted_rules = R"(
        meta l4proto $proto add @$set { ct original $ip daddr . ct original proto-dst . $mark . $ip daddr . th dport } return
        meta l4proto $proto add @counted_once$4 { ct original $ip daddr . ct original proto-dst . $mark . $ip daddr . th dport }
)";
constexpr std::string_view common_frame = R"(
    set outside { type ifname; }
    set redirected { type ipv6_addr; }
    set redirected_to { typeof @th,192,128; }

    chain prerouting {
        type nat hook prerouting priority -100
        meta nfproto vmap { ipv4 : jump services4, ipv6 : jump services6 }
    }
    chain output {
        type nat hook output priority -100
        meta nfproto vmap { ipv4 : jump services4, ipv6 : jump services6 }
    }
    chain postrouting {
        type nat hook postrouting priority 100
        ct status dnat meta nfproto vmap { ipv4 : jump sources4, ipv6 : jump sources6 }
    }
    chain input {
        type nat hook input priority 100
        ct status dnat meta nfproto vmap { ipv4 : jump sources4, ipv6 : jump sources6 }
    }

    chain forwarded {
        type filter hook forward priority 110
        iifname @outside jump guard_source
        ct status dnat goto count
        oifname @outside ct state invalid ip saddr @private_backends4 drop
        oifname @outside ct state invalid ip6 saddr @private_backends6 drop
        ct state != new accept
        iifname @outside oifname != @outside ip daddr @private_backends4 drop
        iifname @outside oifname != @outside ip6 daddr @private_backends6 drop
    }
    chain guard_source {
        ip saddr @inside4 ct original ip daddr @ours4 drop
        ip6 saddr @inside6 ct original ip6 daddr @ours6 drop
    }
    chain guard_received {
        type filter hook input priority -10
        iifname @outside jump guard_source
        ct state invalid ip daddr @ours4 drop
        ct state invalid ip6 daddr @ours6 drop
    }
    chain guard_sent {
        type filter hook output priority -10
        icmpv6 type nd-redirect ip6 daddr @redirected drop
        icmpv6 type nd-redirect @th,192,128 @redirected_to drop
        goto ports
    }

    chain count_received {
        type filter hook input priority 110
        iifname != "lo" ct status dnat goto count
    }
    chain count_sent {
        type filter hook output priority 110
        ct status dnat goto count
    }
    chain count {
        meta nfproto ipv4 goto bytes4
        goto bytes6
    }

    chain ports {
        ct status & (dnat | confirmed) == dnat meta nfproto vmap { ipv4 : goto ports4, ipv6 : goto ports6 }
    }
)";

std::string filled(std::string_view text, Family family, std::string_view proto = "", std::string_view set = "",
                   std::string_view mark = "", std::string_view pool = "") {
    const bool v4 = family == Family::v4;
    const std::string counts = std::to_string(most_counts);
    const std::string both_ways = std::to_string(most_byte_counts);
    const std::string timeouts = tcp_timeouts(family, time_established);
    const std::pair<std::string_view, std::string_view> words[] = {{"$4", v4 ? "4" : "6"},
                                                                   {"$ip", v4 ? "ip" : "ip6"},
                                                                   {"$address", v4 ? "ipv4_addr" : "ipv6_addr"},
                                                                   {"$icmp", v4 ? "icmp" : "icmpv6"},
                                                                   {"$proto", proto},
                                                                   {"$set", set},
                                                                   {"$mark", mark},
                                                                   {"$pool", pool},
                                                                   {"$counts", counts},
                                                                   {"$both_ways", both_ways},
                                                                   {"$timeouts", timeouts}};
    std::string result;
    while (!text.empty()) {
        const size_t at = text.find('$');
        result += text.substr(0, at);
        if (at == text.npos) break;
        text.remove_prefix(at);
        for (const auto& [word, value] : words) {
            if (!text.starts_with(word)) continue;
            result += value;
            text.remove_prefix(word.size());
            break;
        }
    }
    return result;
}

std::string chain(std::string_view name, std::string_view body) {
    return fmt::format("    chain {} {{{}    }}\n", name, body);
}

std::string for_protocols(std::string_view rule, Family family, std::string_view set = "", std::string_view mark = "") {
    return filled(rule, family, "tcp", set, mark) + filled(rule, family, "udp", set, mark);
}

std::string accepted_chain(Path path, Family family) {
    return for_family(fmt::format("accepted_{}", name(path)), family);
}

std::string refused_chain(Refusal refusal, Family family) {
    return for_family(fmt::format("refused_{}", name(refusal)), family);
}

constexpr uint32_t first_limit_mark = 64;  // beyond all Refusals
static_assert(names_of<Refusal>.size() <= first_limit_mark);

std::string counting_chains(Family family) {
    std::string text;
    for (const Path path : all_paths) {
        std::string rules;
        for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
            rules += filled(accepted_rules, family, name(protocol), accepted_set(family),
                            std::to_string(accepted_mark(path, protocol)));
        }
        text += chain(accepted_chain(path, family), rules);
    }
    text += chain(bytes_set(family), for_protocols(count_rules, family, bytes_set(family), " . ct direction"));
    for (const Refusal refusal : {Refusal::backend, Refusal::ports, Refusal::denied}) {
        text += chain(refused_chain(refusal, family), for_protocols(count_rules, family, refused_set(family),
                                                                    fmt::format(" . {}", static_cast<int>(refusal))));
    }
    for (const Limit limit : all_limits) {
        const std::string mark = fmt::format(" . {}", first_limit_mark + static_cast<uint32_t>(limit));
        text += chain(over_chain(limit, family), for_protocols(count_rules, family, refused_set(family), mark) +
                                                     filled("        goto nobody_listens$4\n", family));
    }
    return text;
}

// Whose flow it is, as path_of() says; counts it.
std::string count_path(Family family) {
    std::string body = "\n";
    const auto is_a = [&](std::string_view test, Path path) {
        body += fmt::format("        {} goto {}\n", filled(test, family), accepted_chain(path, family));
    };
    is_a("fib saddr type local", Path::local);
    is_a("$ip saddr . $ip daddr @self$4", Path::self);
    is_a("$ip saddr . $ip daddr @peers$4", Path::peer);
    is_a("$ip saddr @inside$4", Path::routed);
    is_a("", Path::external);
    return chain(for_family("path", family), body);
}

std::string family_text(Family family, const std::string& pool) {
    std::string text = filled(family_frame, family, "", "", "", pool);
    text += chain(for_family("sources", family), for_protocols(profile_rules, family));
    text += chain(for_family("ports", family), for_protocols(exhausted_rules, family));
    return text + counting_chains(family) + count_path(family);
}

// What services fill; the counts are left as they are.
constexpr std::array family_maps = {"to",     "balance",  "balance_range", "profile", "profile_range",
                                    "facing", "exhausted"};
constexpr std::array common_sets = {"outside", "redirected", "redirected_to"};
constexpr std::array family_sets = {"self", "peers", "inside", "ours", "private_backends"};

void flush(std::string& text, std::string_view kind, std::string_view name) {
    text.append("flush ").append(kind).append(" ").append(table).append(" ").append(name).append("\n");
}

}  // namespace

std::string frame(PortRange free_ports) {
    const std::string pool = fmt::format("{}-{}", free_ports.first, free_ports.last);
    std::string text = fmt::format("add table {0}\nflush table {0}\ntable {0} {{\n", table);
    for (const Family family : all_families) text += family_text(family, pool);
    text += common_frame;
    text += fmt::format("    chain {} {{ }}\n}}\n", frame_mark());
    for (const Family family : all_families) {
        for (const char* map : family_maps) flush(text, "map", for_family(map, family));
        for (const char* set : family_sets) flush(text, "set", for_family(set, family));
    }
    for (const char* set : common_sets) flush(text, "set", set);
    return text + let_all_arrive();
}

std::string let_all_arrive() { return fmt::format("add chain {0} refuse\ndelete chain {0} refuse\n", table); }

std::string refuse_some() {
    return fmt::format(
        "add chain {0} refuse {{ type filter hook prerouting priority -90; }}\n"
        "flush chain {0} refuse\n"
        "add rule {0} refuse iifname @outside jump guard_source\n"
        "add rule {0} refuse goto ports\n",
        table);
}

std::string frame_mark() {
    std::string text(common_frame);
    for (const Family family : all_families) text += family_text(family, "");
    return "frame." + digest(text);
}

std::string tcp_timeouts(Family family, std::chrono::seconds established) {
    return fmt::format(
        "        protocol tcp; l3proto {0}\n"
        "        policy = {{ syn_sent : {2}, syn_recv : {2}, established : {1}, fin_wait : {2}, close_wait : {2}, "
        "last_ack : {2}, time_wait : {2}, close : {2}, retrans : 420, unack : 420 }}\n",
        family == Family::v4 ? "ip" : "ip6", established.count(), time_transitory.count());
}

std::string for_family(std::string_view name, Family family) {
    return std::string(name) + (family == Family::v4 ? "4" : "6");
}

uint32_t accepted_mark(Path path, Protocol protocol) {
    return static_cast<uint32_t>(path) << 1 | (protocol == Protocol::udp ? 1 : 0);
}

std::optional<Path> path_marked(uint32_t mark) {
    if (mark >> 1 >= all_paths.size()) return std::nullopt;
    return all_paths[mark >> 1];
}

Protocol protocol_marked(uint32_t mark) { return (mark & 1) != 0 ? Protocol::udp : Protocol::tcp; }

std::string accepted_set(Family family) { return for_family("accepted", family); }

std::string counted_once_set(Family family) { return for_family("counted_once", family); }

std::string refused_set(Family family) { return for_family("refused", family); }

std::optional<Limit> limit_marked(uint32_t mark) {
    if (mark < first_limit_mark || mark - first_limit_mark >= all_limits.size()) return std::nullopt;
    return all_limits[mark - first_limit_mark];
}

std::string over_chain(Limit limit, Family family) { return for_family(fmt::format("over_{}", name(limit)), family); }

std::string bytes_set(Family family) { return for_family("bytes", family); }

}  // namespace hairpin::nft
