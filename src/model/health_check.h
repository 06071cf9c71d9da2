// How the backends of a service are asked whether they can serve, and what becomes of its flows while too few can.
#pragma once

#include <array>
#include <chrono>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/names.h"
#include "base/result.h"
#include "model/flow.h"

namespace hairpin {

enum class CheckKind : uint8_t {
    none,     // nobody asks: the failures of clients alone tell
    tcp,      // accepts a connection; and where something is expected, answers with it
    http,     // answers GET with an expected status
    https,    // the same over TLS, whoever the certificate is for
    udp,      // answers a datagram; and where something is expected, with it
    command,  // a program of the operator's ends with exit status 0
};
template <>
inline constexpr auto names_of<CheckKind> = std::to_array<std::string_view>({"none", "tcp", "http", "https", "udp",
                                                                             "command"});

// What a check asks over; nothing: only the command knows, or nobody asks.
constexpr std::optional<Protocol> protocol_of(CheckKind kind) {
    if (kind == CheckKind::command || kind == CheckKind::none) return std::nullopt;
    return kind == CheckKind::udp ? Protocol::udp : Protocol::tcp;
}

// From where backends are asked: see check_origin.h.
enum class CheckVia : uint8_t {
    backend,   // the gateway's address that faces the backend: it answers whatever its routes say
    endpoint,  // as clients outside call: the answer comes only if it passes the gateway
};
template <>
inline constexpr auto names_of<CheckVia> = std::to_array<std::string_view>({"backend", "endpoint"});

// What becomes of new flows while too few backends are up.
enum class WhenNone : uint8_t {
    all,     // they go to all backends, as if all were up
    refuse,  // they are refused
};
template <>
inline constexpr auto names_of<WhenNone> = std::to_array<std::string_view>({"all", "refuse"});

// HTTP statuses first..last, both included.
struct StatusRange {
    uint16_t first = 0;
    uint16_t last = 0;

    static Result<StatusRange> parse(std::string_view text);  // "200", "200-399"
    std::string str() const;
    bool contains(long status) const { return first <= status && status <= last; }

    auto operator<=>(const StatusRange&) const = default;
};

// What the connections of clients say of a backend. As nginx's max_fails and fail_timeout, but failures count in a row,
// as Envoy's outlier detection counts them.
struct PassiveCheck {
    uint32_t failures = 3;                   // connections in a row that it did not accept: they make it down,
    std::chrono::milliseconds hold{10'000};  // for so long, or until checks have passed

    bool operator==(const PassiveCheck&) const = default;
};

struct HealthCheck {
    CheckKind kind = CheckKind::tcp;
    uint16_t port = 0;                            // 0: the backend's first
    std::string send;                             // tcp, udp
    std::string expect;                           // tcp, udp: what the answer must contain
    std::string path = "/";                       // http, https
    std::string host;                             // http, https; empty: the backend's address
    std::vector<StatusRange> status{{200, 399}};  // http, https
    std::vector<std::string> command;             // with its arguments
    CheckVia via = CheckVia::backend;             // all but command

    std::chrono::milliseconds interval{2000};  // from the beginning of one check to that of the next
    std::chrono::milliseconds timeout{1000};
    uint32_t rise = 2;  // checks passed in a row that make a backend up
    uint32_t fall = 3;  // checks failed in a row that make it down

    std::optional<PassiveCheck> passive;  // none: what clients meet says nothing

    WhenNone when_none = WhenNone::all;
    uint32_t panic_threshold = 0;  // percent of backends: fewer that are up are too few; none always is

    // Of one check: from an endpoint, a backend that is silent is asked a second time.
    std::chrono::milliseconds longest() const { return via == CheckVia::endpoint ? 2 * timeout : timeout; }

    bool operator==(const HealthCheck&) const = default;
};

}  // namespace hairpin
