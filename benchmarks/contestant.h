// Who takes part, and what each runs in the gateway. Pure.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "base/names.h"
#include "model/ip.h"
#include "model/path.h"

namespace hairpin::bench {

inline const Endpoint asked_requests = *Endpoint::parse("1.0.0.1:5432");
inline const Endpoint asked_bulk = *Endpoint::parse("1.0.0.1:1234");
inline const Endpoint backend_requests = *Endpoint::parse("10.0.0.2:54321");
inline const Endpoint backend_bulk = *Endpoint::parse("10.0.0.3:12345");

// `_64k`: with buffers as large as the proxy engine's (proxy::Relay::buffer_size), not as packaged.
enum class Contestant : uint8_t {
    direct,
    routed,
    nftables,
    hairpin_nft,
    hairpin_tc,
    hairpin_xdp,
    haproxy,
    haproxy_64k,
    nginx,
    nginx_64k,
    hairpin_proxy
};
inline constexpr auto all_contestants = std::to_array<Contestant>(
    {Contestant::direct, Contestant::routed, Contestant::nftables, Contestant::hairpin_nft, Contestant::hairpin_tc,
     Contestant::hairpin_xdp, Contestant::haproxy, Contestant::haproxy_64k, Contestant::nginx, Contestant::nginx_64k,
     Contestant::hairpin_proxy});

// Without a load balancer there is no service to ask. `routed`: peers, too, reach each other through the gateway; other
// clients do so anyway.
constexpr bool asks_backends(Contestant c) { return c == Contestant::direct || c == Contestant::routed; }
constexpr bool takes_part_on(Path path, Contestant c) { return c != Contestant::routed || path == Path::peer; }
constexpr bool is_in_kernel(Contestant c) { return c <= Contestant::hairpin_xdp; }
constexpr bool is_hairpin(Contestant c) {
    return c == Contestant::hairpin_nft || c == Contestant::hairpin_tc || c == Contestant::hairpin_xdp ||
           c == Contestant::hairpin_proxy;
}
constexpr bool has_large_buffers(Contestant c) { return c == Contestant::haproxy_64k || c == Contestant::nginx_64k; }
// HAProxy 2.6 forwards UDP for syslog only.
constexpr bool carries_udp(Contestant c) { return c != Contestant::haproxy && c != Contestant::haproxy_64k; }

// What makes a gateway of the contestant.
struct Setup {
    std::string configuration;         // of a file whose name replaces FILE in `command`
    std::vector<std::string> command;  // empty: nothing; the kernel routes
    bool stays = false;                // the command serves until it is killed; otherwise it ends at once
};

// `folder`: where it may write. `program`: hairpin. `services`: hairpin's configuration.
Setup setup_of(Contestant contestant, const std::string& folder, const std::string& program,
               const std::string& services);

}  // namespace hairpin::bench

namespace hairpin {
template <>
inline constexpr auto names_of<bench::Contestant> =
    std::to_array<std::string_view>({"direct", "routed", "nftables", "hairpin-nft", "hairpin-tc", "hairpin-xdp",
                                     "haproxy", "haproxy-64k", "nginx", "nginx-64k", "hairpin-proxy"});
}  // namespace hairpin
