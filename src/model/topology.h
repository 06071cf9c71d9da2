// Where the gateway stands: its links, its own addresses and its routes. Read through netlink, or made by a test.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/ip.h"

namespace hairpin {

struct Link {
    int index = 0;
    std::string name;
    int master = 0;                // the index of the bridge or bond that it is a port of; 0: of none
    int trunk = 0;                 // the index of the link on which it is a VLAN; 0: it is none
    std::array<uint8_t, 6> mac{};  // all zero: it has none

    bool operator==(const Link&) const = default;
};

// An address that is the gateway's own.
struct Address {
    Ip ip;
    int prefix_length = 0;
    int link = 0;             // Link::index
    bool deprecated = false;  // not for what is new (RFC 4862 5.5.4), if there is another one

    Prefix network() const { return Prefix::of(ip, prefix_length); }
    bool operator==(const Address&) const = default;
};

struct Route {
    Prefix destination;
    std::optional<Ip> via;  // the next router; absent: the destination is on the link
    int link = 0;
    uint32_t metric = 0;
    std::optional<Ip> source{};  // the gateway's address that faces what lies there, if the route names one

    bool operator==(const Route&) const = default;
};

// Immutable; threads may share it.
class Topology {
public:
    Topology() = default;
    // `routes` are taken as they are; on-link routes of the addresses are added where they are missing.
    // `local`: networks of which every address is the gateway's own, beside `addresses`.
    Topology(std::vector<Link> links, std::vector<Address> addresses, std::vector<Route> routes,
             std::vector<Prefix> local = {});

    const std::vector<Link>& links() const { return links_; }
    const std::vector<Address>& addresses() const { return addresses_; }
    const std::vector<Route>& routes() const { return routes_; }
    const std::vector<Prefix>& local() const { return local_; }

    // Packets to this address end on the gateway itself. All of 127.0.0.0/8 and ::1 do.
    bool owns(const Ip& ip) const;

    // The route that a packet to this address takes: longest prefix, then smallest metric. Null: unreachable.
    // A binary search for each prefix length in use: a full table of the internet is no burden.
    const Route* route_to(const Ip& ip) const;

    // The gateway's own address that faces this destination: the one that the route names; otherwise one of the route's
    // link, as the rules 2, 3 and 8 of RFC 6724 and, for IPv4, the habit of routers choose it: of the network in which
    // the next hop lies.
    std::optional<Ip> source_towards(const Ip& destination) const;

    const Link* link(int index) const;

    bool operator==(const Topology&) const = default;

private:
    std::vector<Link> links_;
    std::vector<Address> addresses_;
    // Those of one prefix length: routes_[begin] to routes_[end - 1].
    struct Length {
        int length;
        size_t begin;
        size_t end;
        bool operator==(const Length&) const = default;
    };
    std::vector<Route> routes_;    // longest prefix first, then by address, then smallest metric
    std::vector<Length> lengths_;  // that occur, longest first
    std::vector<Prefix> local_;
};

}  // namespace hairpin
