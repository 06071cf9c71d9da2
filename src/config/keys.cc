#include "config/keys.h"

#include <algorithm>
#include <array>

#include "model/service.h"

namespace hairpin {
namespace {

constexpr int64_t second = 1000;
constexpr int64_t hour = 3600 * second;
constexpr int64_t most_of_a_limit = 1'000'000;

constexpr auto engine_words = std::to_array<std::string_view>({"proxy", "xdp", "tc", "nft", "auto"});
constexpr auto sysctl_words = std::to_array<std::string_view>({"check", "set"});
constexpr auto thread_words = std::to_array<std::string_view>({"auto"});
constexpr auto port_words = std::to_array<std::string_view>({"backend"});
constexpr auto health_words =  // without more ado `udp` suits few services
    std::to_array<std::string_view>({"none", "tcp", "http", "https"});
constexpr auto kind_words =  // a command is a key of its own
    std::to_array<std::string_view>({"tcp", "http", "https", "udp", "none"});
constexpr auto flag_words = std::to_array<std::string_view>({"true", "false"});
constexpr auto source_words =  // `map` is written as a mapping, for it needs its prefix
    std::to_array<std::string_view>({"auto", "external", "gateway", "keep"});

using enum Key::Type;

// clang-format off: one key, one paragraph
constexpr auto table = std::to_array<Key>({
    {.parent = "",
     .name = "engine",
     .type = choice,
     .fallback = "proxy",
     .words = engine_words,
     .description = "What carries the traffic. `proxy` copies bytes in user space and needs no "
                    "privilege for ports above 1023. `nft` has the kernel translate packets, so "
                    "that backends see who called; it needs CAP_NET_ADMIN. `tc` does so in eBPF programs, past "
                    "netfilter; it needs root. `xdp` is `tc` with a shorter way from driver to driver where network "
                    "cards have one. `auto` takes the best one that "
                    "this machine and the configuration allow, of `proxy` and `nft`, and says which and why."},

    {.parent = "",
     .name = "threads",
     .type = count,
     .fallback = "auto",
     .unit = "threads",
     .words = thread_words,
     .least = 0,
     .most = 1024,
     .description = "Worker threads of the proxy engine; `0` and `auto` mean one per core."},

    {.parent = "",
     .name = "sysctls",
     .type = choice,
     .fallback = "check",
     .words = sysctl_words,
     .description = "What an engine in the kernel does where `net.ipv4.ip_forward` or its IPv6 twin "
                    "is 0: `check` ends with an error that says so, `set` sets it and puts it back "
                    "when the gateway stops. Where somebody switches it off later, `check` has the log "
                    "and `hairpin status` say so, and `set` sets it again. `set` also has the kernel "
                    "count the bytes and the age of flows, which `hairpin flows` shows."},

    {.parent = "",
     .name = "drain_timeout",
     .type = duration,
     .fallback = "30s",
     .least = 0,
     .most = 24 * hour,
     .description = "How long live connections may go on after SIGTERM; `0s` ends them at once."},

    {.parent = "",
     .name = "api",
     .type = mapping,
     .description = "Where the running gateway answers `hairpin status`, `flows` and their like, and programs. See "
                    "[above](#asking-the-running-gateway)."},

    {.parent = "api",
     .name = "socket",
     .type = text,
     .description = "The path of the Unix socket, or `none`. By default `$RUNTIME_DIRECTORY/hairpin.sock`, as systemd "
                    "sets it; for root `/run/hairpin/hairpin.sock`; else `$XDG_RUNTIME_DIR/hairpin.sock`. `run "
                    "--socket` comes first."},

    {.parent = "api",
     .name = "group",
     .type = text,
     .description = "Whose members may use the socket, besides root and the gateway's user: by default that user's "
                    "own group. Who may use it may change what the gateway does."},

    {.parent = "api",
     .name = "listen",
     .type = endpoint,
     .description = "A loopback address and port on which the same can be read over TCP, and nothing changed: for "
                    "Prometheus, and for whoever is on this machine. By default there is none."},

    {.parent = "",
     .name = "resolvers",
     .type = endpoints,
     .description = "The DNS servers that are asked for backends by name, in their order; by default those of "
                    "`/etc/resolv.conf`. See [above](#backends-by-name)."},

    {.parent = "",
     .name = "defaults",
     .type = mapping,
     .description = "What a service gets for each key that it does not give itself: any key of a "
                    "service but `listen` and `backends`. A key given by the service replaces the "
                    "default whole."},

    {.parent = "",
     .name = "services",
     .type = mapping,
     .required = true,
     .description = "The services, at least one, each under a name of its own."},

    {.parent = "services",
     .name = "*",
     .type = mapping,
     .description = "One service. Its name is what logs and metrics call it: up to 63 of "
                    "`A-Z a-z 0-9 _ . -`."},

    {.parent = "services.*",
     .name = "listen",
     .type = listens,
     .required = true,
     .description = "The external endpoints: what clients connect to. `0.0.0.0` and `[::]` stand "
                    "for every address of the gateway, the name of a link, as in `eth0:5432`, for those that it "
                    "bears at the time: see [above](#addresses-that-change). A range of ports is one endpoint, however "
                    "long it is."},

    {.parent = "services.*",
     .name = "also",
     .type = addresses,
     .description = "Further addresses at which the same ports are served, such as the public one that an upstream "
                    "router maps to this gateway: see [above](#addresses-that-change)."},

    {.parent = "services.*",
     .name = "backends",
     .type = backends,
     .required = true,
     .description =
         "The servers inside: each with as many ports as `listen` has, port for port. One by name stands for "
         "all of its addresses: see [above](#backends-by-name)."},

    {.parent = "services.*.backends",
     .name = "endpoint",
     .type = backend,
     .either = true,
     .description = "Where the server is: this or `srv`. A backend of which nothing else is to be said may be written "
                    "as this alone."},

    {.parent = "services.*.backends",
     .name = "srv",
     .type = text,
     .either = true,
     .description = "In place of `endpoint`: the name of SRV records, such as `_http._tcp.app.lan`, which say the "
                    "servers, their ports and weights."},

    {.parent = "services.*.backends",
     .name = "weight",
     .type = count,
     .fallback = "1",
     .unit = "shares",
     .least = 0,
     .most = most_weight,
     .description = "How many shares of the new connections and sessions this backend gets, beside those of the "
                    "others; with `0` none, while those that live go on. See [above](#several-backends)."},

    {.parent = "services.*.backends",
     .name = "backup",
     .type = flag,
     .fallback = "false",
     .words = flag_words,
     .description = "Whether this backend waits until no other one takes new flows: see "
                    "[above](#several-backends)."},

    {.parent = "services.*",
     .name = "balance",
     .type = choice,
     .fallback = "round_robin",
     .words = names_of<Balance>,
     .description = "Which backend a new connection or session gets: `round_robin`, one after the "
                    "other; `source_hash`, the same one for all that a client address asks, on "
                    "every engine; `maglev`, so too, and few clients move when a backend comes or goes; "
                    "`least_connections`, with the proxy engine, the one with the fewest live flows for its weight. "
                    "See [above](#several-backends)."},

    {.parent = "services.*",
     .name = "self",
     .type = choice,
     .fallback = "allow",
     .words = names_of<SelfPolicy>,
     .description = "What a client that is itself a backend gets: `allow`, whichever `balance` gives it; `avoid`, "
                    "another one, if there is one; `prefer`, itself, if it takes new flows; `deny`, another one, or it "
                    "is refused. See [above](#when-the-client-is-a-backend)."},

    {.parent = "services.*",
     .name = "protocol",
     .type = choice,
     .fallback = "tcp",
     .words = names_of<Protocols>,
     .description = "Which transport protocol is served; `both` is TCP and UDP on the same "
                    "endpoints."},

    {.parent = "services.*",
     .name = "source",
     .type = choice,
     .fallback = "auto",
     .words = source_words,
     .description = "Which source address the backend sees: see [above](#what-the-backend-sees). "
                    "The fifth policy is written `source: {map: PREFIX}`."},

    {.parent = "services.*.source",
     .name = "map",
     .type = prefixes,
     .required = true,
     .description = "The prefix in which clients beside the backend appear, one to one: their host "
                    "bits and port stay. At most one IPv4 and one IPv6 prefix."},

    {.parent = "services.*",
     .name = "allow",
     .type = prefixes,
     .description = "Clients that are let in; without it, all. An address without a length is one host. See "
                    "[above](#who-is-let-in)."},

    {.parent = "services.*",
     .name = "deny",
     .type = prefixes,
     .description = "Clients that are not let in, be they in `allow` or not."},

    {.parent = "services.*",
     .name = "limits",
     .type = mapping,
     .description =
         "How many connections and sessions the service takes, each limit by a key of its own. What is beyond "
         "one is refused and counted (`refused.limits`); what lives goes on. See [above](#limits)."},

    {.parent = "services.*.limits",
     .name = "connections",
     .type = count,
     .unit = "connections",
     .least = 1,
     .most = most_of_a_limit,
     .description = "TCP connections and UDP sessions of the service alive at once."},

    {.parent = "services.*.limits",
     .name = "connections_per_client",
     .type = count,
     .unit = "connections",
     .least = 1,
     .most = most_of_a_limit,
     .description =
         "The same of one client: of its own address, on every path; of an IPv6 client outside, of its /64."},

    {.parent = "services.*.limits",
     .name = "new_per_second",
     .type = count,
     .unit = "connections a second",
     .least = 1,
     .most = most_of_a_limit,
     .description =
         "TCP connections and UDP sessions of the service that may begin: a bucket of so many tokens, full at "
         "first, that gains as many a second. So after a pause that many may begin at once."},

    {.parent = "services.*.limits",
     .name = "new_per_second_per_client",
     .type = count,
     .unit = "connections a second",
     .least = 1,
     .most = most_of_a_limit,
     .description = "The same of one client, each with a bucket of its own."},

    {.parent = "services.*",
     .name = "proxy_protocol",
     .type = mapping,
     .description = "The [PROXY protocol](https://www.haproxy.org/download/2.8/doc/"
                    "proxy-protocol.txt), which carries the client's address beside the bytes."},

    {.parent = "services.*.proxy_protocol",
     .name = "send",
     .type = choice,
     .fallback = "none",
     .words = names_of<ProxyHeader>,
     .description = "Which header the backend gets ahead of the client's bytes. `v1` is text and "
                    "knows TCP only; `v2` is binary and begins every datagram over UDP."},

    {.parent = "services.*.proxy_protocol",
     .name = "accept_from",
     .type = prefixes,
     .description = "Senders that must begin with a PROXY header of either version: the load "
                    "balancers in front of this gateway. Nobody else's header is believed."},

    {.parent = "services.*",
     .name = "connect_timeout",
     .type = duration,
     .fallback = "3s",
     .least = 1,
     .most = hour,
     .description = "How long one backend may take to accept a connection before the next one is "
                    "tried."},

    {.parent = "services.*",
     .name = "idle_timeout",
     .type = duration,
     .fallback = "5m",
     .least = second,
     .most = 24 * hour,
     .description = "How long a UDP session lives without a datagram. RFC 4787 REQ-5 asks for 2 "
                    "minutes at least and recommends 5; less is for services that answer at once, "
                    "such as DNS."},

    {.parent = "services.*",
     .name = "tcp_idle_timeout",
     .type = duration,
     .least = second,
     .most = 168 * hour,
     .description = "How long a TCP connection lives without a byte in either direction. Without it, as long as its "
                    "two ends do, or with the engines in the kernel five days. RFC 5382 REQ-5 asks for 2 hours and 4 "
                    "minutes at least. See "
                    "[above](#connections-that-are-silent)."},

    {.parent = "services.*",
     .name = "drain_timeout",
     .type = duration,
     .least = 0,
     .most = 24 * hour,
     .description = "How long live TCP connections may go on with a backend that a reload has removed, or that "
                    "`hairpin disable` takes out; then they are reset. Without it, those of a removed backend are left "
                    "alone, and those of a disabled one end at once. See [above](#taking-a-backend-out)."},

    {.parent = "services.*",
     .name = "max_sessions",
     .type = count,
     .fallback = "4096",
     .unit = "sessions",
     .least = 1,
     .most = 1'000'000,
     .description = "UDP sessions of this service alive at once; a datagram that would open one "
                    "more is dropped and counted."},

    {.parent = "services.*",
     .name = "health",
     .type = choice,
     .fallback = "none",
     .words = health_words,
     .description = "How backends are asked whether they can serve: see [above](#health-checks). A kind alone is short "
                    "for `{kind: KIND}`; with `none` all count as up."},

    {.parent = "services.*.health",
     .name = "kind",
     .type = choice,
     .fallback = "tcp",
     .words = kind_words,
     .description = "What makes a backend pass: `tcp`, it accepts a connection, and answers `send` with `expect` where "
                    "these are given; `http` and `https`, it answers GET with a `status`, whoever its certificate is "
                    "for; `udp`, it answers the datagram `send`, an empty one where that is not given; `none`, nobody "
                    "asks, and `passive` alone tells."},

    {.parent = "services.*.health",
     .name = "command",
     .type = arguments,
     .description = "A program that asks in place of the gateway, with its arguments as a list: with exit status 0 the "
                    "backend passes. It runs without a shell, as the gateway's user, and is told whom to ask in "
                    "`HAIRPIN_SERVICE`, `HAIRPIN_BACKEND`, `HAIRPIN_ADDRESS` and `HAIRPIN_PORT`."},

    {.parent = "services.*.health",
     .name = "port",
     .type = count,
     .fallback = "backend",
     .unit = "port",
     .words = port_words,
     .least = 1,
     .most = 65535,
     .description = "Which port is asked; `backend` is the backend's own, of several the first."},

    {.parent = "services.*.health",
     .name = "via",
     .type = choice,
     .fallback = "backend",
     .words = names_of<CheckVia>,
     .description =
         "Which way a backend's answer must take: `backend`, any, for it is asked from the gateway's address "
         "that faces it; `endpoint`, that of answers to clients outside: see [above](#the-way-that-clients-travel)."},

    {.parent = "services.*.health",
     .name = "send",
     .type = text,
     .description = "What is said to the backend, for `tcp` and `udp`. In double quotes YAML knows `\\r\\n`."},

    {.parent = "services.*.health",
     .name = "expect",
     .type = text,
     .description = "What the backend's answer must hold, for `tcp` and `udp`: its first 4096 bytes, or its first "
                    "datagram. Without it `tcp` waits for no answer, and `udp` takes any."},

    {.parent = "services.*.health",
     .name = "path",
     .type = text,
     .fallback = "/",
     .description = "What `http` and `https` ask for."},

    {.parent = "services.*.health",
     .name = "host",
     .type = text,
     .description = "The name that `http` and `https` ask for, in the header `Host` and in TLS (SNI); without it the "
                    "backend's address."},

    {.parent = "services.*.health",
     .name = "status",
     .type = statuses,
     .fallback = "200-399",
     .description = "With which statuses `http` and `https` pass. Redirects are not followed."},

    {.parent = "services.*.health",
     .name = "interval",
     .type = duration,
     .fallback = "2s",
     .least = 100,
     .most = hour,
     .description = "From the beginning of one check of a backend to that of the next; by chance up to a tenth "
                    "shorter, so that checks do not come in step."},

    {.parent = "services.*.health",
     .name = "timeout",
     .type = duration,
     .fallback = "1s",
     .least = 10,
     .most = hour,
     .description =
         "How long a question may take, up to `interval`, with `via: endpoint` half of it, for that may ask twice. A "
         "command is killed then, with all that it has started."},

    {.parent = "services.*.health",
     .name = "rise",
     .type = count,
     .fallback = "2",
     .unit = "checks",
     .least = 1,
     .most = 100,
     .description = "How many checks in a row a backend that is down must pass to be up."},

    {.parent = "services.*.health",
     .name = "fall",
     .type = count,
     .fallback = "3",
     .unit = "checks",
     .least = 1,
     .most = 100,
     .description = "How many checks in a row a backend that is up must fail to be down; its first check alone "
                    "decides."},

    {.parent = "services.*.health",
     .name = "passive",
     .type = mapping,
     .description =
         "What the connections of clients tell, with the proxy engine: a backend that does not accept them is "
         "down. See [above](#what-clients-meet)."},

    {.parent = "services.*.health.passive",
     .name = "failures",
     .type = count,
     .fallback = "3",
     .unit = "connections",
     .least = 1,
     .most = 1000,
     .description = "How many connections of clients in a row a backend must fail to accept to be down."},

    {.parent = "services.*.health.passive",
     .name = "for",
     .type = duration,
     .fallback = "10s",
     .least = second,
     .most = hour,
     .description = "How long it is down then, unless its checks pass before: `rise` of them in a row."},

    {.parent = "services.*.health",
     .name = "when_none",
     .type = choice,
     .fallback = "all",
     .words = names_of<WhenNone>,
     .description = "What becomes of new flows while no backend is up: `all`, they go to all backends as if these "
                    "were up, so that a wrong check takes no service down; `refuse`, they are refused."},

    {.parent = "services.*.health",
     .name = "panic_threshold",
     .type = count,
     .fallback = "0",
     .unit = "percent",
     .least = 0,
     .most = 100,
     .description = "While fewer backends than these are up, `when_none` holds as well: the few that are left may not "
                    "be able to carry all."},
});
// clang-format on

bool stands_in(const Key& key, std::string_view parent) {
    return parent == "defaults" ? key.parent == "services.*" && !key.required : key.parent == parent;
}

}  // namespace

std::string Key::path() const {
    return parent.empty() ? std::string(name) : std::string(parent) + "." + std::string(name);
}

std::string Key::label() const {
    constexpr std::string_view service = "services.*.";
    const std::string whole = path();
    return whole.starts_with(service) ? whole.substr(service.size()) : whole;
}

std::span<const Key> all_keys() { return table; }

std::vector<const Key*> keys_in(std::string_view parent) {
    std::vector<const Key*> keys;
    for (const Key& key : table) {
        if (stands_in(key, parent)) keys.push_back(&key);
    }
    return keys;
}

const Key* find_key(std::string_view parent, std::string_view name) {
    const auto found =
        std::ranges::find_if(table, [&](const Key& key) { return key.name == name && stands_in(key, parent); });
    return found == table.end() ? nullptr : &*found;
}

bool is_service_name(std::string_view text) {
    return !text.empty() && text.size() <= 63 && std::ranges::all_of(text, [](char c) {
        return ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z') || ('0' <= c && c <= '9') || c == '_' || c == '.' ||
               c == '-';
    });
}

}  // namespace hairpin
