// A service: an external endpoint, the backends behind it, and how its traffic is to be treated.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/shared.h"
#include "model/backend_name.h"
#include "model/balance.h"
#include "model/flow.h"
#include "model/health_check.h"
#include "model/ip.h"
#include "model/limits.h"
#include "model/prefix_list.h"

namespace hairpin {

// Which protocols a service serves, as in YAML.
enum class Protocols : uint8_t { tcp, udp, both };
template <>
inline constexpr auto names_of<Protocols> = std::to_array<std::string_view>({"tcp", "udp", "both"});

constexpr bool includes(Protocols protocols, Protocol protocol) {
    return protocols == Protocols::both || (protocols == Protocols::tcp) == (protocol == Protocol::tcp);
}

// Which source address the backend shall see.
enum class SourcePolicy : uint8_t {
    automatic,  // the client's own where the reply comes back through the gateway anyway, else `external`
    external,   // the service's external address, a free port (RFC 4787 REQ-9a, RFC 5382 REQ-8)
    gateway,    // the gateway's address on the backend's network, a free port
    map,        // as automatic, but peers show their host bits in another prefix, and their own port
    keep,       // the client's own address and port, always
};
template <>
inline constexpr auto names_of<SourcePolicy> = std::to_array<std::string_view>({"auto", "external", "gateway", "map",
                                                                                "keep"});

// Which backend a client gets that is itself one of them: see slots.h.
enum class SelfPolicy : uint8_t {
    allow,   // whichever it would get otherwise
    avoid,   // another one, where another one takes new flows
    prefer,  // itself, where that takes new flows
    deny,    // another one, or it is refused
};
template <>
inline constexpr auto names_of<SelfPolicy> = std::to_array<std::string_view>({"allow", "avoid", "prefer", "deny"});

// Which PROXY protocol header (haproxy.org, doc/proxy-protocol.txt) the backend gets ahead of the client's bytes.
enum class ProxyHeader : uint8_t { none, v1, v2 };
template <>
inline constexpr auto names_of<ProxyHeader> = std::to_array<std::string_view>({"none", "v1", "v2"});

struct Backend {
    EndpointRange endpoint;  // as many ports as each listen range has: mostly one
    uint32_t weight = 1;     // its share of new flows, beside those of the others; 0: none
    bool backup = false;     // takes new flows only while no other one does: see in_service.h

    bool operator==(const Backend&) const = default;
};

// External endpoints named by a link, "eth0:5432": at all addresses that it bears at the time.
struct LinkListen {
    std::string link;
    PortRange ports;

    // The error where this is no endpoint either.
    static Result<LinkListen> parse(std::string_view text);
    // Whether the text is meant as one, and not as an endpoint: what stands before the colon holds a letter.
    static bool is_meant(std::string_view text);
    std::string str() const;

    bool operator==(const LinkListen&) const = default;
};

struct Service {
    std::string name;
    std::vector<EndpointRange> listen;  // external endpoints; 0.0.0.0 and [::] stand for all of the gateway's own
    std::vector<LinkListen> listen_links;
    // The last endpoints of `listen` are addresses of links: which of listen_links. See listen_links.h.
    std::vector<size_t> followed;
    Protocols protocols = Protocols::tcp;
    std::vector<Backend> backends;
    std::vector<BackendName> backend_names;
    // The last backends are what names stand for: which of backend_names. See follow_names.h.
    std::vector<size_t> resolved;
    Balance balance = Balance::round_robin;
    SelfPolicy self = SelfPolicy::allow;

    SourcePolicy source = SourcePolicy::automatic;
    std::vector<Prefix> source_map;  // for SourcePolicy::map: at most one prefix a family

    PrefixList allow;  // clients that are let in; empty: all
    PrefixList deny;   // clients that are not, be they allowed or not. Both are read by model/admission.h
    Limits limits;     // how many flows of those who are let in

    ProxyHeader send_proxy = ProxyHeader::none;
    std::vector<Prefix> accept_proxy_from;  // senders that must begin with a PROXY header; empty: nobody

    std::chrono::milliseconds connect_timeout{3000};  // for one backend to accept a connection
    std::chrono::milliseconds idle_timeout{300'000};  // of a UDP session (RFC 4787 REQ-5)
    // Of a TCP connection without a byte in either direction. Nothing: as the engine has it by itself.
    std::optional<std::chrono::milliseconds> tcp_idle_timeout;
    uint32_t max_sessions = 4096;  // UDP sessions alive at once
    // How long live TCP connections to a backend that is taken away may go on. Nothing: those of one that the
    // configuration has no more are left alone, those of one that is disabled end at once.
    std::optional<std::chrono::milliseconds> drain_timeout;

    Shared<HealthCheck> health;  // none: all backends count as up

    bool operator==(const Service&) const = default;
};

// Whether who calls from there must begin with a PROXY header, which says who the client is.
bool expects_header(const Service& service, const Ip& sender);

// Whether flows of both are treated alike once their backend is chosen. A UDP session lives under the rules that it was
// opened under, so it ends where these change. Of `allow` and `deny` it asks anew; `limits` are for those that begin.
bool treats_alike(const Service& one, const Service& other);

}  // namespace hairpin
