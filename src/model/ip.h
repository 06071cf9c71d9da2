// Addresses, prefixes, ports and endpoints of both families: plain values, ordered and hashable.
#pragma once

#include <endian.h>

#include <array>
#include <bit>
#include <compare>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/names.h"
#include "base/result.h"

namespace hairpin {

enum class Family : uint8_t { v4, v6 };
template <>
inline constexpr auto names_of<Family> = std::to_array<std::string_view>({"IPv4", "IPv6"});
inline constexpr auto all_families = std::to_array<Family>({Family::v4, Family::v6});

// One address of either family. An IPv4 address is held as its v4-mapped form (RFC 4291 2.5.5.2), so ::ffff:1.0.0.1
// and 1.0.0.1 are the same value by construction and no check can be bypassed by the other spelling.
class Ip {
public:
    constexpr Ip() = default;  // ::
    static Ip v4(uint32_t host_order);
    static Ip from_network(std::span<const uint8_t, 4> bytes);
    static Ip from_network(std::span<const uint8_t, 16> bytes);
    static Ip any(Family family);

    // "10.0.0.2" or "fd00::2"; no zone, no port, no leading zeros.
    static Result<Ip> parse(std::string_view text);
    std::string str() const;  // RFC 5952 spelling

    Family family() const;
    bool is_v4() const { return family() == Family::v4; }
    bool is_unspecified() const;
    bool is_loopback() const;  // 127.0.0.0/8, ::1
    bool is_multicast() const;
    bool is_link_local() const;  // 169.254.0.0/16, fe80::/10
    bool is_broadcast() const;   // 255.255.255.255
    bool is_private() const;     // never routed on the internet: RFC 1918, 6598, 4193, and link-local

    uint32_t v4_bits() const;                                      // host order; precondition: is_v4()
    std::span<const uint8_t, 16> bytes() const { return bytes_; }  // network order, v4-mapped for IPv4
    std::span<const uint8_t> network_bytes() const;                // 4 or 16 bytes, network order

    // By words, not bytes: with 100,000 services, checking them is mostly this.
    bool operator==(const Ip& other) const { return words() == other.words(); }
    std::strong_ordering operator<=>(const Ip& other) const { return words() <=> other.words(); }

private:
    std::pair<uint64_t, uint64_t> words() const {
        const auto [high, low] = std::bit_cast<std::array<uint64_t, 2>>(bytes_);
        return {be64toh(high), be64toh(low)};
    }

    std::array<uint8_t, 16> bytes_{};
};

// An address range that shares its leading bits: 10.0.0.0/24, fd00::/64.
struct Prefix {
    Ip address;      // host bits are zero
    int length = 0;  // bits, 0..32 or 0..128

    static Prefix of(Ip address, int length);            // clears the host bits
    static Result<Prefix> parse(std::string_view text);  // without "/n": one address
    std::string str() const;

    bool contains(Ip ip) const;
    bool overlaps(const Prefix& other) const;
    // Its lower or higher half. Precondition: it holds more than one address.
    Prefix half(bool high) const;
    // The address with these leading bits and the host bits of `host`. Precondition: the same family.
    Ip with_host_of(Ip host) const;

    auto operator<=>(const Prefix&) const = default;
};

// Transport address: one IP address and one port.
struct Endpoint {
    Ip ip;
    uint16_t port = 0;

    static Result<Endpoint> parse(std::string_view text);       // "10.0.0.2:80", "[fd00::2]:80"
    static Result<Endpoint> parse_open(std::string_view text);  // an address alone too: port 0, for any
    std::string str() const;
    std::string str_open() const;  // likewise

    auto operator<=>(const Endpoint&) const = default;
};

// Ports first..last, both included.
struct PortRange {
    uint16_t first = 0;
    uint16_t last = 0;

    static Result<PortRange> parse(std::string_view text);  // "5432", "5000-5999"; none is 0
    std::string str() const;

    int size() const { return last - first + 1; }
    bool contains(uint16_t port) const { return first <= port && port <= last; }
    bool overlaps(const PortRange& other) const { return first <= other.last && other.first <= last; }

    auto operator<=>(const PortRange&) const = default;
};

// An address with one port or a range of ports: "1.0.0.1:5432", "1.0.0.1:5000-5999".
struct EndpointRange {
    Ip ip;
    PortRange ports;

    static Result<EndpointRange> parse(std::string_view text);
    std::string str() const;

    Endpoint first() const { return {ip, ports.first}; }
    bool contains(const Endpoint& endpoint) const { return ip == endpoint.ip && ports.contains(endpoint.port); }

    auto operator<=>(const EndpointRange&) const = default;
};

struct IpHash {
    size_t operator()(const Ip& ip) const {
        return std::hash<std::string_view>{}({reinterpret_cast<const char*>(ip.bytes().data()), ip.bytes().size()});
    }
};

struct EndpointHash {
    size_t operator()(const Endpoint& endpoint) const {
        return IpHash{}(endpoint.ip) ^ (endpoint.port * 0x9E3779B97F4A7C15ULL);
    }
};

}  // namespace hairpin
